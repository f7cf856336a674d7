//! Anger, threats of legal steps, and accidents: a person's business, however well the knowledge base could answer.

use std::sync::LazyLock;

use super::phrases::{Lexicon, Phrases};
use super::{Finding, PolicyInput};

/// Escalates a complaint.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    if SAFETY.found(input.question) {
        Finding::escalate("The customer reports an accident or a danger.")
    } else if LEGAL.found(input.question) {
        Finding::escalate("The customer announces legal steps or a complaint to an authority.")
    } else if ANGER.found(input.question) {
        Finding::escalate("The customer is angry or makes a complaint.")
    } else {
        Finding::pass()
    }
}

static SAFETY: LazyLock<Phrases> = LazyLock::new(|| {
    Phrases::new(&[
        Lexicon {
            words: &[(
                "body",
                "hand|hands|finger|fingers|arm|leg|face|eye|eyes|skin|foot|child|kid|son|daughter|baby|myself|me",
            )],
            patterns: &[
                "electric shock|electrocuted|(?:gave|got|get|getting|had)<3>shocks?",
                "(?:caught|catch|catching|went on|set on|on) fire",
                "(?:throwing|threw|throws|giving off|gave off|saw|made)?<2>sparks(?: flying)?$|sparks (?:came|coming|flew|flying|from|out)|(?:threw|throwing|throws|gives off|gave off|made|makes|shooting) (?:\\w+ )?sparks",
                "(?:exploded|blew up|burst into flames|melted and|went up in (?:smoke|flames))",
                "(?:burn|burns|burned|burnt|burning|cut|cuts|hurt|hurts|injured|scalded|shattered|broke)<3>(?:my|our|his|her|in my|in his|in her)<1><body>",
                "(?:smoke|burning smell) (?:is |was )?(?:coming|came|from)",
                "(?:i|we|he|she|my \\w+|had)<4>(?:hospital|a e|emergency room|ambulance|stitches|injured|poisoned|poisoning|allergic reaction)",
            ],
        },
        Lexicon {
            words: &[(
                "body",
                "mao|maos|dedo|dedos|braco|perna|rosto|olho|olhos|pele|pe|filh[oa]|bebe|crianca",
            )],
            patterns: &[
                "(?:pegou|pegando|pega|tacou|ateou|botou|apanhou|pegar) fogo|incendi(?:o|ou|ar)|em chamas",
                "(?:levei|tomei|apanhei|deu|dando|da|levou|tomou)<2>(?:choques?|choque eletrico)",
                "(?:explodiu|explodindo|explosao|estourou na|soltou faiscas?|soltando faisca|faiscas?|faiscou|curto circuito)",
                "(?:queimou|queimei|queimando|cortou|cortei|machucou|machuquei|feriu|feri|magoou)<3><body>",
                "(?:me|se) (?:queimei|cortei|machuquei|feri|queimou|machucou)",
                "(?:saiu|saindo|sai|soltou|soltando|deitou|deitar)<2>fum(?:aca|o)",
                "(?:fui|fomos|foi|parar|levei|levad[oa]|acabei|estou|tive)<4>(?:hospital|pronto socorro|urgencias|ambulancia|pontos na|intoxicacao|reacao alergica)",
            ],
        },
        Lexicon {
            words: &[(
                "body",
                "mano|mani|dito|dita|braccio|gamba|viso|occhi|occhio|pelle|piede|figli[oa]|bambin[oa]",
            )],
            patterns: &[
                "(?:preso|prende|prendere|presa|andat[oa] a|a) fuoco|incendi(?:o|ato|ata)|in fiamme",
                "(?:preso|prendo|dato|da|fa|beccato|presa)<2>(?:la |una )?scoss[ae](?: elettrica)?|fulminat[oa]",
                "(?:scintill[ae]|esplos[oa]|scoppiat[oa]|corto ?circuito|cortocircuito)",
                "(?:bruciat[oa]|bruciato|ustionat[oa]|tagliat[oa]|ferit[oa]|fatt[oa] male)<3><body>",
                "mi (?:sono|son) (?:bruciat[oa]|ustionat[oa]|tagliat[oa]|ferit[oa]|fatt[oa] male)",
                "(?:esce|usciva|uscito|fa|faceva|usciv\\w+)<2>fumo",
                "(?:sono|siamo|stat[oa]|finit[oa]|andat[oa]|portat[oa]|avuto|messo)<4>(?:ospedale|pronto soccorso|ambulanza|punti di sutura|intossicazione|reazione allergica)",
            ],
        },
        Lexicon {
            words: &[(
                "body",
                "mano|manos|dedo|dedos|brazo|pierna|cara|ojo|ojos|piel|pie|hij[oa]|bebe|nin[oa]",
            )],
            patterns: &[
                "(?:se|ha|cogido|prendio|prendido|cogio|salio|salido)<2>(?:fuego|incendiado|incendio)|incendi(?:o|ado)|en llamas|ardiendo|salio ardiendo",
                "(?:dio|dado|da|pego|pegado|llevado|llevo)<2>(?:descarga|calambre|calambrazo|corrientazo|chispazo)|descarga electrica|electrocut\\w+",
                "(?:chispas|exploto|explotado|explosion|estallo|estallado|cortocircuito|corto circuito)",
                "(?:quemo|quemado|queme|quemo|corto|cortado|corte|herido|lastimo|lastime|rompio|roto)<3><body>",
                "(?:casi )?(?:se|me) (?:me )?(?:he )?(?:quema|quemo|quemado|queme|corte|cortado|lastime|heri)<1>(?:mano|la mano|cortina|la cortina|cocina|la cocina|casa|la casa|dedo|hijo|hija)",
                "(?:sale|salia|salio|salido|echa|echaba|echo|echado)<2>humo",
                "(?:fui|fuimos|ido|acabe|acabado|llevaron|llevado|estoy|tuve|tenido|puesto)<4>(?:hospital|urgencias|ambulancia|puntos de sutura|intoxicacion|reaccion alergica)",
            ],
        },
    ])
});

static LEGAL: LazyLock<Phrases> = LazyLock::new(|| {
    Phrases::new(&[
        Lexicon {
            words: &[],
            patterns: &[
                "solicitors?|lawyers?|attorneys?|barrister|ombudsman|small claims|trading standards|consumer (?:protection|rights agency)",
                "legal (?:action|steps|proceedings|advice)|take (?:you|this|them) to<2>court|(?:see|taking) you in court|to court",
                "(?:sue|suing) (?:you|them|your|the)|press charges|report(?:ing)? you to|report this to the (?:police|authorities)",
                "formal complaint|(?:make|file|lodge|raise|submit)<2>complaint|(?:answer|reply|response) to my complaint|my complaint|citizens advice|better business bureau|charge ?back",
            ],
        },
        Lexicon {
            words: &[],
            patterns: &[
                "procon|reclame aqui|reclameaqui|(?:meus?|minha|nossos?|nossa|um|uma|procurar|acionar|acionarei|contratar) advogad[oa]s?|livro de reclamacoes|asae|consumidor gov|juizado|tribunal",
                "(?:entrar|entrarei|entrara|entro|entramos|vou|abrir|mover|movo)<3>(?:acao|processo|justica|queixa|processar)(?: judicial| contra| na| no|$)",
                "na justica|acao judicial|medidas legais|medidas judiciais|(?:vou|irei|quero) processar|(?:apresentar|fazer|registar|registrar|abrir|formalizar)<2>(?:queixa|reclamacao|denuncia|boletim)|denunciar|na deco",
            ],
        },
        Lexicon {
            words: &[],
            patterns: &[
                "avvocat[oiea]|vie legali|azioni? legal[ei]|querel\\w+|codacons|adiconsum|altroconsumo|federconsumatori|associazione (?:dei |di )?consumatori|giudice di pace|tribunale|antitrust",
                "(?:faccio|fare|sporgo|sporgere|presento|presentare|fara|faro|sporgero)<2>(?:denuncia|esposto|reclamo)|(?:vi|li) denuncio|denunciar\\w+|mio reclamo|reclamo formale|reclamo ufficiale",
            ],
        },
        Lexicon {
            words: &[],
            patterns: &[
                "abogad[oa]s?|juzgado|acciones? legal(?:es)?|via(?:s)? legal(?:es)?|(?:hoja|hojas|libro) de reclamacion(?:es)?|facua|omic|ocu|profeco|sernac|indecopi|oficina (?:de|del) consum\\w+|demanda(?: judicial| por| contra)|(?:interpon\\w+|interpondra|poner|presentar|pondre|presentare)<2>(?:demanda|denuncia|queja|reclamacion)",
                "denunciar\\w*|os denuncio|los denuncio|tribunales|querella|queja formal|reclamacion formal|ir a consumo|a consumo$",
            ],
        },
    ])
});

static ANGER: LazyLock<Phrases> = LazyLock::new(|| {
    Phrases::new(&[
        Lexicon {
            words: &[],
            patterns: &[
                "scammers?|(?:you|u|you re|youre|your|such|total|this is|a|company is|shop is)<1>(?:scam|rip off|ripoff|fraud)(?: company| artists?)?$|(?:ripped|ripping) (?:me|us|people) off|(?:thieves|crooks|con artists|liars)",
                "disgrace|disgraceful|disgusting|shameful|appalling|outrageous|unacceptable|absolute joke|a joke of a|pathetic|shambles|useless company|bunch of (?:idiots|clowns|crooks|liars)",
                "(?:worst|terrible|horrible|awful|shocking|abysmal|dreadful)<2>(?:company|shop|store|service|experience|customer|support)",
                "lied to (?:me|us)|never (?:again )?(?:buy|buying|order|ordering|shop|shopping|use|using)<3>(?:again|from you|here|you)|stay (?:well )?away from|(?:had|ve had) enough|fed up|sick and tired|f+uck\\w*|bullshit|piece of (?:shit|crap|junk)|(?:you|u) (?:idiots|morons)",
                "(?:third|fourth|fifth|sixth) time (?:i|i m|i ve|you|this|that)|nobody (?:helps|answers|replies|cares)|no ?one (?:helps|answers|replies|cares)",
            ],
        },
        Lexicon {
            words: &[],
            patterns: &[
                "vergonha|vergonhos[oa]|palhacada|palhacos?|golpistas?|estelionat\\w+|ladroes|ladrao|bandidos|caloteiros?|vigaristas?|mentiros[oa]s?|aldraboes|burla(?:o|dores)?|(?:sao|e|voces|vcs|isso e|isto e)<1>(?:golpe|roubo|burla)(?: mesmo)?$",
                "inaceitavel|inadmissivel|revoltad[oa]|revoltante|indignad[oa]|descaso|falta de respeito|desrespeito|absurdo|ridiculo|uma porcaria|um lixo|uma merda|que merda|uma bosta|pessim[oa]|horrivel|(?:pior|pessimo)<1>(?:atendimento|servico|loja|empresa|experiencia)",
                "nunca mais (?:compro|volto|vou comprar|faco|peco)|fui enganad[oa]|me enganaram|enganaram me|me fizeram de|(?:vou|irei) (?:expor|falar mal)|(?:ninguem) (?:resolve|responde|me responde|faz nada)|(?:terceira|quarta|quinta|sexta) vez (?:que|q)|perdi a paciencia|estou fart[oa]|to fart[oa]|de saco cheio",
            ],
        },
        Lexicon {
            words: &[],
            patterns: &[
                "vergogn\\w+|truffator[ei]|truffa(?:ta|to|ti)?$|(?:e|siete|una|che|sta|questa e) (?:una )?truffa|ladri|imbroglioni|bugiard[oi]|cialtroni|incompetenti|buffoni|pagliacci",
                "indecente|inaccettabile|intollerabile|scandalos[oa]|schifo|schifos[oa]|ridicol[oi]|(?:pessim[oa]|peggior[ei]?|orribile)<1>(?:servizio|azienda|negozio|assistenza|esperienza)|servizio pessimo|(?:prendete|preso|presa|prendendo|prendermi|prendendomi)<2>(?:in giro|per il culo)|mi avete (?:truffat[oa]|ingannat[oa]|preso|rubato)|che merda|di merda|vaffanculo",
                "(?:mai piu)<3>(?:compro|comprero|acquistero|acquisto|da voi)|non (?:compro|comprero|acquistero) (?:mai )?piu|stuf[oa] marci[oa]|sono (?:stuf[oa]|furios[oa]|arrabbiat\\w+|indignat[oa])|(?:nessuno)<1>(?:risponde|risolve|mi aiuta|fa niente)|(?:terz|quart|quint|sest)[oa] (?:volta|pacco|ordine|reso|mail)<2>(?:che|sbagliat[oa]|rott[oa])",
            ],
        },
        Lexicon {
            words: &[],
            patterns: &[
                "estafador(?:es|as|a)?|estafa(?:do|da)?$|(?:es|una|sois una|son una) estafa|me (?:habeis|han|has) (?:estafado|enganado|mentido|robado|tomado)|ladrones|sinverguenzas?|mentiros[oa]s|timador(?:es)?|un timo|chorizos sois|impresentables",
                "verguenza|vergonzos[oa]|inaceptable|intolerable|indignante|indignad[oa]|lamentable|penos[oa]|(?:una|menuda|vaya|sois una|son una|puta|pura) (?:basura|mierda|porqueria)|(?:pesim[oa]|peor|horrible)<1>(?:servicio|atencion|empresa|tienda|experiencia)|servicio pesimo|tom(?:ado|ando|arme|an|ais)<2>el pelo",
                "(?:nunca|jamas) (?:mas )?(?:vuelvo|volvere|compro|comprare)|no (?:vuelvo|volvere) a comprar|(?:estoy|me teneis|me tienen)<1>(?:hart[oa]|furios[oa]|enfadad[oa]|cabread[oa])|nadie (?:me )?(?:hace caso|responde|contesta|soluciona|resuelve)|(?:tercera|cuarta|quinta|sexta) vez que|poner<2>resenas? (?:en todas|malas|negativas)",
            ],
        },
    ])
});

/// Compiles the patterns.
pub(super) fn warm_up() {
    LazyLock::force(&SAFETY);
    LazyLock::force(&LEGAL);
    LazyLock::force(&ANGER);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complains(text: &str) -> bool {
        [&SAFETY, &LEGAL, &ANGER].iter().any(|phrases| phrases.found(text))
    }

    #[test]
    fn hears_anger_threats_and_accidents() {
        for text in [
            "my kettle caught fire last night",
            "You'll hear from my lawyer",
            "this is the worst service I have ever seen",
            "a torradeira deu choque na minha mulher",
            "vou entrar na justiça contra vocês",
            "que falta de respeito com o cliente",
            "il tostapane ha preso fuoco",
            "mi rivolgerò a un avvocato",
            "siete dei ladri",
            "la batidora echó humo y chispas",
            "voy a poner una denuncia",
            "menuda vergüenza de tienda",
        ] {
            assert!(complains(text), "{text}");
        }
    }

    #[test]
    fn lets_ordinary_problems_pass() {
        for text in [
            "my parcel arrived damaged, what can I do?",
            "how do I get the burnt taste out of the coffee?",
            "minha xícara chegou quebrada, como troco?",
            "como faço para processar a devolução?",
            "il pacco è arrivato rotto, come faccio il reso?",
            "la taza llegó rota, ¿qué hago?",
            "¿cuánto consumo eléctrico tiene la cafetera?",
        ] {
            assert!(!complains(text), "{text}");
        }
    }
}
