"""The tables of `make.py`, by language: what is changed into what. Patterns are regular expressions."""

OTHER_NUMBER = {
    2: 6, 3: 7, 4: 9, 5: 8, 6: 4, 7: 10, 8: 5, 9: 7, 10: 15, 12: 18, 14: 21, 15: 25, 18: 21, 20: 35, 24: 72, 30: 45, 31: 60,
    45: 90, 48: 24, 50: 80, 60: 90, 72: 24, 90: 30, 100: 250, 120: 180, 200: 350, 500: 800, 1500: 2500,
}

VALUES = [2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 15, 18, 20, 21, 24, 25, 30, 45, 60, 90, 100]


def spelt(words):
    return {word: value for value, forms in zip(VALUES, words.split()) for word in forms.split("/")}


NUMBERS = {
    "pt": spelt(
        "dois/duas três quatro cinco seis sete oito nove dez doze catorze quinze dezoito vinte vinte_e_um vinte_e_quatro "
        "vinte_e_cinco trinta quarenta_e_cinco sessenta noventa cem"
    ),
    "it": spelt(
        "due tre quattro cinque sei sette otto nove dieci dodici quattordici quindici diciotto venti ventuno ventiquattro "
        "venticinque trenta quarantacinque sessanta novanta cento"
    ),
    "es": spelt(
        "dos tres cuatro cinco seis siete ocho nueve diez doce catorce quince dieciocho veinte veintiún veinticuatro "
        "veinticinco treinta cuarenta_y_cinco sesenta noventa cien"
    ),
    "en": spelt(
        "two three four five six seven eight nine ten twelve fourteen fifteen eighteen twenty twenty-one twenty-four "
        "twenty-five thirty forty-five sixty ninety hundred"
    ),
}
NUMBERS = {language: {word.replace("_", " "): value for word, value in words.items()} for language, words in NUMBERS.items()}

# A unit, and the one that replaces it; units without one are only counted.
UNITS = {
    "pt": {
        "dias úteis": "semanas", "dias": "meses", "horas": "dias", "minutos": "horas", "segundos": "minutos",
        "meses": "semanas",
        "anos": "meses", "semanas": "meses", "bebidas": None, "litros": None, "pontos": None, "algarismos": None,
        "caracteres": None, "fotos": None, "tentativas": None, "endereços": None, "códigos": None, "pacotes": None,
        "tanques": None, "avaliações": None, "prestações": None, "vezes": None, "faturas": None, "kg": None, "g": None,
        "últimos algarismos": None,
    },
    "it": {
        "giorni lavorativi": "settimane", "giorni": "mesi", "ore": "giorni", "minuti": "ore", "secondi": "minuti",
        "mesi": "settimane", "anni": "mesi", "settimane": "mesi", "bevande": None, "litri": None, "punti": None,
        "cifre": None,
        "caratteri": None, "foto": None, "tentativi": None, "indirizzi": None, "codici": None, "pacchi": None,
        "serbatoi": None,
        "recensioni": None, "rate": None, "sacchetti": None, "kg": None, "g": None,
    },
    "es": {
        "días laborables": "semanas", "días": "meses", "horas": "días", "minutos": "horas", "segundos": "minutos",
        "meses": "semanas", "años": "meses", "semanas": "meses", "bebidas": None, "litros": None, "puntos": None,
        "cifras": None,
        "caracteres": None, "fotos": None, "intentos": None, "direcciones": None, "códigos": None, "paquetes": None,
        "depósitos": None, "opiniones": None, "plazos": None, "kg": None, "g": None, "últimas cifras": None,
    },
    "en": {
        "business days": "weeks", "days": "months", "hours": "days", "minutes": "hours", "seconds": "minutes",
        "months": "weeks", "years": "months", "weeks": "months", "drinks": None, "litres": None, "points": None,
        "digits": None,
        "characters": None, "photos": None, "attempts": None, "addresses": None, "recovery codes": None,
        "parcels": None,
        "reviews": None, "interest-free instalments": None, "bags": None, "kg": None, "g": None,
    },
}

DATES = {
    "pt": [
        ("31 de janeiro", "28 de fevereiro"), ("15 de novembro", "1º de novembro"),
        ("segunda a sexta-feira, exceto", "segunda a sábado, inclusive"),
        ("das 9h às 18h", "das 8h às 20h"), ("antes das 13h", "antes das 16h"), ("das 11h às 17h", "das 9h às 15h"),
        ("no mesmo dia", "no dia útil seguinte"),
    ],
    "it": [
        ("31 gennaio", "28 febbraio"), ("15 novembro", "1º novembro"),
        ("lunedì al venerdì e non", "lunedì al sabato e anche"),
        ("9:00 alle 18:00", "8:00 alle 20:00"), ("prima delle 13:00", "prima delle 16:00"),
        ("11:00 alle 17:00", "9:00 alle 15:00"),
        ("10:00 alle 19:30", "9:00 alle 20:30"), ("il giorno stesso", "il giorno lavorativo successivo"),
        ("in giornata", "il giorno dopo"),
    ],
    "es": [
        ("31 de enero", "28 de febrero"), ("15 de noviembre", "1 de noviembre"),
        ("lunes a viernes, excepto", "lunes a sábado, incluidos los"),
        ("9:00 a 18:00", "8:00 a 20:00"), ("antes de las 13:00", "antes de las 16:00"),
        ("11:00 a 17:00", "9:00 a 15:00"),
        ("10:00 a 21:00", "9:00 a 22:00"), ("ese mismo día", "al día siguiente"), ("el mismo día", "al día siguiente"),
    ],
    "en": [
        ("31 January", "28 February"), ("15 November", "1 November"),
        ("Monday to Friday and not", "Monday to Saturday and also"),
        ("9:00 to 18:00", "8:00 to 20:00"), ("before 13:00", "before 16:00"), ("11:00 to 17:00", "9:00 to 15:00"),
        ("the same day", "the next business day"),
    ],
}

ENTITIES = {
    "pt": [
        ("No Brasil, a entrega padrão", "No Brasil, a entrega expressa"),
        ("Em Portugal, a entrega padrão", "Em Portugal, a entrega expressa"),
        ("de Campinas e os da Europa saem de Valência", "de Valência e os da Europa saem de Campinas"),
        ("em São Paulo e os da Europa em Frankfurt", "em Frankfurt e os da Europa em São Paulo"),
        ("transportadoras e provedores de pagamento", "parceiros de publicidade"),
        ("vizinhos e à portaria", "colegas de trabalho"), ("Google ou Apple", "Facebook ou Microsoft"),
        ("o botão Xícara", "o botão Vapor"),
        ("luz vermelha piscando", "luz branca piscando"), ("luz laranja fixa", "luz vermelha fixa"),
        ("falha na bomba", "falha no motor"),
        ("bandeja de gotas e o recipiente de borra", "bico de vapor e o grupo de extração"),
        ("nível Onda", "nível Brisa"), ("nível Oceano", "nível Onda"),
        ("MB WAY", "Multibanco"), ("A loja de Lisboa", "A loja de Milão"),
        ("Conta > Notificações", "Conta > Privacidade"), ("bomba e o motor", "bandeja e o filtro"),
        ("quedas nem danos causados por calcário", "defeitos de fabricação nem falhas elétricas"),
        ("máquinas de café têm doze", "artigos de casa têm doze"),
        ("referência RF", "referência CM"), ("começa com CM", "começa com BR"), ("região Norte", "região Sul"),
    ],
    "it": [
        ("di Valencia e quelli", "di Lisbona e quelli"),
        ("da Valencia e quelli brasiliani da Campinas", "da Campinas e quelli brasiliani da Valencia"),
        ("i corrieri e i fornitori di pagamento", "i partner pubblicitari"),
        ("ai vicini o in portineria", "all'ufficio postale"), ("Google o Apple", "Facebook o Microsoft"),
        ("premuto Tazza", "premuto Vapore"),
        ("spia rossa lampeggiante", "spia bianca lampeggiante"), ("spia arancione fissa", "spia rossa fissa"),
        ("spia rossa fissa", "spia arancione fissa"),
        ("guasto alla pompa", "guasto al motore"),
        ("vaschetta raccogligocce e il contenitore dei fondi", "lancia vapore e il gruppo caffè"),
        ("Onda parte", "Brezza parte"), ("Oceano parte", "Onda parte"), ("Satispay", "PayPal"),
        ("Con PayPal", "Con la carta"), ("Account > Notifiche", "Account > Privacy"),
        ("La pompa e il motore", "La vaschetta e il filtro"),
        ("le cadute né i danni da calcare", "i difetti di fabbricazione né i guasti elettrici"),
        ("a Francoforte", "a Milano"), ("riferimento RF", "riferimento CM"),
        ("Sicilia e la Sardegna", "Lombardia e il Veneto"),
    ],
    "es": [
        ("salen de Valencia", "salen de Madrid"),
        ("los transportistas y los proveedores de pago", "empresas de publicidad"),
        ("a los vecinos y en la portería", "en la oficina de correos"), ("Google o Apple", "Facebook o Microsoft"),
        ("el botón Taza", "el botón Vapor"),
        ("luz roja intermitente", "luz blanca intermitente"), ("luz naranja fija", "luz roja fija"),
        ("luz blanca intermitente", "luz roja intermitente"), ("fallo de la bomba", "fallo del motor"),
        ("la bandeja de goteo y el recipiente de posos", "la boquilla de vapor y el grupo de infusión"),
        ("nivel Ola", "nivel Brisa"), ("nivel Océano", "nivel Ola"),
        ("^Bizum", "PayPal"), ("Con Bizum", "Con tarjeta"), ("Cuenta > Notificaciones", "Cuenta > Privacidad"),
        ("La bomba y el motor", "La bandeja y el filtro"),
        ("las caídas ni los daños por cal", "los defectos de fabricación ni los fallos eléctricos"),
        ("en Fráncfort", "en Madrid"), ("referencia RF", "referencia CM"),
        ("En Canarias", "En Andalucía"), ("empieza por CM", "empieza por ES"),
    ],
    "en": [

        ("from Valencia and Brazilian orders leave from Campinas", "from Campinas and Brazilian orders leave from Valencia"),
        ("carriers and payment providers", "advertising partners"),
        ("your neighbours", "the post office"), ("Hold Cup", "Hold Steam"),
        ("flashing red light", "flashing white light"), ("steady orange light", "steady red light"),
        ("pump fault", "motor fault"),
        ("the drip tray and the grounds container", "the steam wand and the brew group"),
        ("Ocean level", "Wave level"),
        ("Account > Notifications", "Account > Privacy"), ("The pump and motor", "The drip tray and filter"),
        ("drops or limescale damage", "manufacturing defects or electrical failures"),
        ("Scottish Highlands", "Welsh valleys"), ("The London store", "The Madrid store"),
    ],
}

# Words of number that take the gender of a unit, and the units that are feminine.
FEMININE = {"pt": {"dois": "duas"}}
FEMININE_UNITS = {"semanas", "horas"}

# What an answer to yes or no begins with.
YES = {"pt": ("Sim, ", "Não, "), "it": ("Sì, ", "No, "), "es": ("Sí, ", "No, "), "en": ("Yes, ", "No, ")}
# How two things are denied at once, and said at once.
NEITHER = {"pt": (" nem ", " e "), "it": (" né ", " e "), "es": (" ni ", " y "), "en": (" or ", " and ")}

# A plain wording and the negated one; each is changed into the other.
NEGATED = {
    "pt": [
        ("é grátis", "não é grátis"), ("é gratuita", "não é gratuita"), ("são gratuitos", "não são gratuitos"),
        ("pode ser feit[oa]", "não pode ser feito"), ("podem ser", "não podem ser"),
        ("pode ser", "não pode ser"), ("pode", "não pode"), ("podem", "não podem"), ("é possível", "não é possível"),
        ("é reembolsado", "não é reembolsado"), ("gera pontos", "não gera pontos"),
        ("cobramos", "não cobramos"), ("cobre", "não cobre"),
        ("há pagamento na entrega em todos os países", "não há pagamento na entrega em nenhum país"),
        ("entregamos", "não entregamos"), ("vendemos", "não vendemos"), ("é preciso", "não é preciso"),
        ("é pago", "não é pago"), ("muda", "não muda"), ("use vinagre", "não use vinagre"), ("ligue", "não ligue"),
        ("precisam ser", "não precisam ser"), ("recebem", "não recebem"), ("são avisados", "não são avisados"),
        ("fica válida", "não fica válida"), ("voltam", "não voltam"), ("viajam juntos", "não viajam juntos"),
        ("aparece", "não aparece"),
    ],
    "it": [
        ("è gratuito", "non è gratuito"), ("è gratuita", "non è gratuita"), ("sono gratuiti", "non sono gratuiti"),
        ("si può", "non si può"), ("si possono", "non si possono"), ("puoi", "non puoi"),
        ("è possibile", "non è possibile"), ("viene rimborsato", "non viene rimborsato"),
        ("viene sempre rimborsato", "non viene mai rimborsato"), ("danno punti", "non danno punti"),
        ("copre", "non copre"), ("vendiamo", "non vendiamo"),
        ("consegniamo", "non consegniamo"), ("serve un account", "non serve un account"),
        ("l'etichetta serve", "l'etichetta non serve"), ("è disponibile", "non è disponibile"),
        ("aggiungiamo", "non aggiungiamo"),
        ("collega pure", "non collegare"), ("devi rispedire", "non devi rispedire"),
        ("si deve usare", "non si deve usare"), ("viaggiano insieme", "non viaggiano insieme"),
        ("viene pagato", "non viene pagato"),
    ],
    "es": [
        ("es gratis", "no es gratis"), ("es siempre gratis", "no es siempre gratis"),
        ("son gratuitos", "no son gratuitos"), ("es gratuito", "no es gratuito"), ("se puede", "no se puede"),
        ("se pueden", "no se pueden"), ("puedes", "no puedes"),
        ("dan puntos", "no dan puntos"), ("cubre", "no cubre"), ("vendemos", "no vendemos"),
        ("enviamos a apartados", "no enviamos a apartados"), ("hace falta", "no hace falta"),
        ("hay pago", "no hay pago"),
        ("te cobramos", "no te cobramos"), ("se devuelven", "no se devuelven"), ("usa vinagre", "no uses vinagre"),
        ("enchufa", "no enchufes"), ("cobran", "no cobran"), ("hay que devolverlos", "no hay que devolverlos"),
        ("viajan juntos", "no viajan juntos"),
        ("se paga en dinero", "no se paga en dinero"), ("requieren", "no requieren"), ("vuelven", "no vuelven"),
    ],
    "en": [
        ("is free", "is not free"), ("are free", "are not free"), ("is always free", "is not always free"),
        ("can be", "cannot be"), ("can", "cannot"), ("earn points", "do not earn points"),
        ("covers", "does not cover"), ("sell", "do not sell"),
        ("An account is needed", "No account is needed"), ("where a label is needed", "where no label is needed"),
        ("is always refunded", "is never refunded"), ("Use vinegar", "Do not use vinegar"),
        ("is available", "is not available"), ("is refunded", "is not refunded"), ("is paid", "is not paid"),
        ("is deducted", "is not deducted"), ("is required", "is not required"),
    ],
}

ANTONYMS = {
    "pt": [
        ("antes de cada envio", "depois de cada envio"), ("antes do pagamento", "depois do pagamento"),
        ("antes da cobrança", "depois da cobrança"), ("depois de avisar", "antes de avisar"),
        ("água morna e sem", "água fervente e com"), ("fina demais", "grossa demais"),
        ("muito devagar", "muito depressa"), ("cheio\\. Ele", "vazio. Ele"),
        ("em aparelho fechado", "em aparelho aberto"), ("fechada aos domingos", "aberta aos domingos"),
        ("abre aos domingos", "fecha aos domingos"), ("leve e apenas estético", "grave"),
        ("abertos", "fechados"), ("é esvaziado", "é mantido"), ("são apagados na hora", "são mantidos"),
        ("são canceladas", "são cobradas"), ("de graça", "mediante pagamento"), ("sem juros", "com juros"),
        ("sem multa", "com multa"), ("sem custo", "com custo"),
        ("após a entrega", "antes da entrega"), ("é abatido", "é cobrado à parte"), ("embaixo", "em cima"),
        ("gratuito", "pago"), ("gratuita", "paga"), ("grátis", "paga"),
        ("o mesmo e-mail usado", "um e-mail diferente do usado"),
    ],
    "it": [
        ("prima della spedizione", "dopo la spedizione"), ("prima di pagare", "dopo aver pagato"),
        ("prima dell'addebito", "dopo l'addebito"), ("acqua tiepida e senza", "acqua bollente e con"),
        ("troppo fine", "troppo grossa"), ("troppo lentamente", "troppo velocemente"),
        ("è pieno", "è vuoto"), ("serbatoio dell'acqua è vuoto", "serbatoio dell'acqua è pieno"),
        ("è chiuso la domenica", "è aperto anche la domenica"), ("leggero e solo estetico", "grave"),
        ("aperti", "chiusi"), ("viene svuotato", "resta pieno"),
        ("si cancellano subito", "restano validi"), ("gratuitamente", "a pagamento"),
        ("senza interessi", "con interessi"), ("sotto la", "sopra la"), ("gratuit[oa]", "a pagamento"),
        ("viene scalato", "va pagato a parte"), ("vanno annullate", "vanno pagate"),
        ("dopo ogni uso", "prima di ogni uso"),
    ],
    "es": [
        ("antes del envío", "después del envío"), ("antes de pagar", "después de pagar"),
        ("antes del cobro", "después del cobro"), ("agua tibia y sin", "agua hirviendo y con"),
        ("demasiado fina", "demasiado gruesa"), ("demasiado lento", "demasiado rápido"),
        ("está lleno", "está vacío"), ("está cerrada", "está abierta"), ("leve y solo estético", "grave"),
        ("abiertos", "cerrados"), ("se vacía", "se conserva"), ("se borran al momento", "se conservan"),
        ("recogemos gratis", "recogemos con un cargo"), ("son gratuitos", "son de pago"), ("gratis", "de pago"),
        ("sin intereses", "con intereses"),
        ("sin penalización", "con penalización"), ("sin ningún coste", "con un coste"), ("debajo", "encima"),
        ("gratuit[oa]", "de pago"), ("se cancelan", "se cobran"), ("se descuenta", "se cobra aparte"),
    ],
    "en": [
        ("before dispatch", "after dispatch"), ("before paying", "after paying"),
        ("before the charge", "after the charge"), ("too fine", "too coarse"), ("too slowly", "too fast"),
        ("is full", "is almost empty"), ("light and cosmetic", "severe"), ("Opened", "Unopened"),
        ("empties your cart", "keeps your cart"), ("are erased at once", "are kept"), ("for free", "at a charge"),
        ("free of charge", "for a fee"), ("interest-free", "interest-bearing"),
        ("under the machine", "on top of the machine"), ("is deducted", "is charged on top"),
        ("at no cost", "at your own cost"),
    ],
}

CONDITIONS = {
    "pt": [
        (", desde que a data [^.]*", ", mesmo sem a data salva na conta"),
        (" se a máquina for registrada [^.]*", " sem precisar de registro"),
        (", desde que o novo dono [^.]*", ", mesmo sem o documento da compra"),
        (", sempre dentro do mesmo país", ", mesmo para outro país"),
        ("quando o pedido inteiro é devolvido", "quando qualquer produto é devolvido"),
        (" em pedidos a partir de [^.]*", " em todos os pedidos"),
        ("Pedidos acima de [^ ]* [^ ]* ou 200 €", "Todos os pedidos"),
        (" quando ele faz a primeira compra [^.]*", " assim que ele se cadastra"),
        (", mas máquinas de café ficam prontas em três dias úteis", ", inclusive as máquinas de café"),
        ("Se o produto voltar com marcas de uso", "Em qualquer devolução"), ("no máximo", "no mínimo"),
        ("Se cancelar apenas um produto", "Em qualquer caso"),
        ("compras a partir de 100 €", "compras de qualquer valor"),
        ("Apenas a bandeja de gotas e o recipiente de borra podem", "Todas as peças podem"),
    ],
    "it": [
        (" se registri la macchina [^.]*", " senza bisogno di registrazione"),
        (" se ha la fattura originale", " anche senza fattura"), (" per gli ordini da 65 €", " per tutti gli ordini"),
        (" per gli ordini oltre 200 €", " per tutti gli ordini"),
        (" e restando nello stesso paese", ", anche verso un altro paese"),
        (" se restituisci l'intero ordine[^.]*", " anche se restituisci un solo prodotto"),
        (" quando l'amico fa [^.]*", " appena l'amico si registra"),
        (", se la data è salvata da almeno 30 giorni", ", anche se la data non è salvata"),
        ("Se il prodotto ha segni d'uso", "Per ogni reso"), (" per ordini da 100 €", " per qualsiasi importo"),
        ("al massimo", "almeno"), (" se la scatola è visibilmente schiacciata", " per qualsiasi motivo"),
        (" se non usi la macchina per più di sette giorni", " ogni sera"),
    ],
    "es": [
        (" si registras la cafetera [^.]*", " sin ningún trámite"), (" a partir de 60 €", " en todos los pedidos"),
        ("Los pedidos de más de 200 €", "Todos los pedidos"),
        (", siempre dentro del mismo país", ", incluso a otro país"),
        (" si devuelves el pedido completo[^.]*", " aunque devuelvas un solo producto"),
        (" cuando tu amigo hace [^.]*", " en cuanto tu amigo se registra"),
        (" si la fecha está guardada 30 días antes", " aunque la fecha no esté guardada"),
        ("Si hay señales de uso", "En cualquier devolución"),
        ("compras a partir de 100 €", "compras de cualquier importe"), ("como máximo", "como mínimo"),
        ("con un máximo de", "con un mínimo de"),
        (" si la caja está claramente aplastada", " por cualquier motivo"),
        (" si no vas a usarla durante más de siete días", " todas las noches"),
    ],
    "en": [
        (" if you register [^.]*", " without any registration"), ("UK orders from £50", "All UK orders"),
        (" for orders above £180 in the UK", " for all orders in the UK"),
        (", but only within the same country", ", even to another country"),
        (" when you return the whole order[^.]*", " even when you return a single product"),
        ("If there are signs of use", "For any return"), (" on orders from £90 in the UK", " on orders of any amount"),
        ("at most", "at least"), (" who has the original invoice", " even without an invoice"),
        ("If the damage is light and cosmetic, you", "For any damage, you"),
        (", for at most five reviews a month", ", with no limit"),
    ],
}

MODALITY = {
    "pt": [
        ("podemos descontar", "descontamos sempre"), ("você pode recusar", "você é obrigado a recusar"),
        ("pode pedir", "tem de pedir"), ("podem ser pagas", "têm de ser pagas"),
        ("pode ficar com", "tem de ficar com"), ("pode escolher", "tem de aceitar o que escolhermos"),
        ("pode ser testada", "tem de ser testada"), ("pode demorar até", "demora sempre"),
        ("pode ser ajustado", "tem de ser ajustado"), ("pode ficar pausada", "tem de ficar pausada"),
    ],
    "it": [
        ("possiamo trattenere", "tratteniamo sempre"), ("puoi rifiutare", "devi rifiutare"),
        ("puoi tenere", "devi tenere"), ("puoi pagare", "devi pagare"), ("si può provare", "si deve provare"),
        ("si può regolare", "si deve regolare"), ("si può comprare anche", "si deve comprare"),
        ("puoi annullare un solo", "devi annullare almeno un"), ("puoi chiedere", "devi chiedere"),
        ("puoi restituire anche", "devi restituire"), ("può durare fino a", "deve durare"),
    ],
    "es": [
        ("podemos descontar", "descontamos siempre"), ("puedes rechazar", "debes rechazar"),
        ("puedes quedarte", "debes quedarte"), ("se pueden pagar", "se deben pagar"),
        ("se puede probar", "se debe probar"), ("se puede ajustar", "se debe ajustar"),
        ("también puedes devolver", "debes devolver"), ("se puede pedir", "se debe pedir"),
        ("puede estar en pausa", "debe estar en pausa"),
    ],
    "en": [
        ("we may deduct", "we always deduct"), ("you can refuse", "you must refuse"), ("may keep", "must keep"),
        ("you can pay in", "you must pay in"), ("may test", "must test"), ("can set", "must set"),
        ("may be returned", "must be returned"), ("you can use one", "you must use one"),
        ("can also return it", "must return it"), ("can last", "must last"), ("you can get", "you must ask for"),
    ],
}

# Claims that none of the documents makes.
EXTRAS = {
    "pt": [
        "Além disso, a embalagem é feita de papel reciclado.", "O serviço é prestado por uma empresa certificada.",
        "Se precisar, um técnico pode ir a sua casa.", "Clientes com mais de 65 anos têm prioridade.",
        "Você também ganha um café de brinde.", "Isso vale igualmente para compras feitas por telefone.",
    ],
    "it": [
        "Inoltre, l'imballaggio è di carta riciclata.", "Il servizio è svolto da un'azienda certificata.",
        "Se serve, un tecnico può venire a casa tua.", "I clienti sopra i 65 anni hanno la precedenza.",
        "Ricevi anche un caffè in omaggio.",
        "Questo vale anche per gli acquisti fatti al telefono.",
    ],
    "es": [
        "Además, el embalaje es de papel reciclado.", "El servicio lo presta una empresa certificada.",
        "Si hace falta, un técnico puede ir a tu casa.", "Los clientes mayores de 65 años tienen prioridad.",
        "También te regalamos un café.",
        "Esto vale igualmente para las compras hechas por teléfono.",
    ],
    "en": [
        "The packaging is made of recycled paper, too.", "This is done by a certified company.",
        "If needed, a technician can come to your home.", "Customers over 65 have priority.",
        "You also get a coffee as a gift.",
        "The same goes for purchases made by phone.",
    ],
}
