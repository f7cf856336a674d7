//! Words that carry no topic, folded: two lists a language, for two purposes.

use std::collections::HashSet;
use std::sync::LazyLock;

/// A set of folded words.
type Words = HashSet<&'static str>;

/// The grammar of a language: articles, prepositions, pronouns, auxiliaries. Question words are among them, negations
/// too: they tell little about which passage answers. None for another language than the four.
pub fn function_words(language: &str) -> &'static Words {
    static SETS: LazyLock<[Words; 4]> =
        LazyLock::new(|| [FUNCTION_PT, FUNCTION_IT, FUNCTION_ES, FUNCTION_EN].map(set));
    of(&SETS, language)
}

/// What a customer's line or a reply can lose without losing what it is about: the commonest function words, greetings,
/// thanks, *I would like*, *can I*. None for another language than the four.
pub fn filler_words(language: &str) -> &'static Words {
    static SETS: LazyLock<[Words; 4]> =
        LazyLock::new(|| [FILLER_PT, FILLER_IT, FILLER_ES, FILLER_EN].map(set));
    of(&SETS, language)
}

fn set(words: &'static str) -> Words {
    words.split_whitespace().collect()
}

fn of(sets: &'static [Words; 4], language: &str) -> &'static Words {
    static NONE: LazyLock<Words> = LazyLock::new(Words::new);
    match language {
        "pt" => &sets[0],
        "it" => &sets[1],
        "es" => &sets[2],
        "en" => &sets[3],
        _ => &NONE,
    }
}

const FUNCTION_PT: &str = "a o as os um uma uns umas ao aos de do da dos das dum duma em no na nos nas num numa por \
    pelo pela pelos pelas para pra pro pras pros com sem sob sobre entre ate desde e ou mas nem que se como quando onde \
    porque pois porem tambem ja so ainda mais menos muito muita muitos muitas tao todo toda todos todas cada outro outra \
    outros outras mesmo mesma este esta estes estas esse essa esses essas isto isso aquele aquela aqueles aquelas aquilo \
    deste desta destes destas desse dessa disso disto nesse nessa neste nesta nisso eu tu ele ela nos eles elas voce \
    voces vc vcs me te lhe lhes mim ti meu minha meus minhas teu tua seu sua seus suas nosso nossa nossos nossas qual \
    quais quem quanto quanta quantos quantas cujo cuja nao sim ser sou es e somos sao era eram foi foram fosse sera \
    serao seria sendo sido estar estou estamos estao estava estive esteja ter tenho tem temos tinha tiver teria haver ha \
    houve havia aqui ali la ai entao assim";

const FUNCTION_IT: &str = "il lo la i gli le l un uno una di del dello della dei degli delle d a al allo alla ai agli \
    alle all da dal dallo dalla dai dagli dalle dall in nel nello nella nei negli nelle nell con col su sul sullo sulla \
    sui sugli sulle sull per tra fra e ed o od ma anche se che chi cui come quando dove perche poiche quindi non no si \
    piu meno molto molta molti molte tanto troppo tutto tutta tutti tutte ogni altro altra altri altre stesso stessa \
    questo questa questi queste quest quello quella quelli quelle quell quel quei quegli cio io tu lui lei noi voi loro \
    mi ti ci vi ne li mio mia miei mie tuo tua tuoi tue suo sua suoi sue nostro nostra nostri nostre vostro vostra \
    quale quali qual quanto quanta quanti quante cosa cos c s sono sei e siamo siete era erano fu fosse sara saranno \
    sarebbe essere stato stata stati state ho hai ha abbiamo avete hanno aveva avere avuto sto stai sta stiamo stanno \
    gia ancora solo poi qui qua li la cosi dell";

const FUNCTION_ES: &str = "el la los las lo un una unos unas al del de a ante con contra desde durante en entre hacia \
    hasta para pa por segun sin sobre tras y e o u ni pero mas sino que si como cuando donde porque pues tambien ya \
    aun muy mucho mucha muchos muchas poco tan tanto todo toda todos todas cada otro otra otros otras mismo misma este \
    esta estos estas ese esa esos esas esto eso aquel aquella aquellos aquellas aquello yo tu usted ustedes el ella \
    nosotros vosotros ellos ellas me te se le les nos os mi mis tu tus su sus mio mia tuyo suyo nuestro nuestra \
    nuestros nuestras vuestro cual cuales quien quienes cuanto cuanta cuantos cuantas cuyo cuya no soy eres es somos \
    son era eran fue fueron fuera sera seran seria siendo sido ser estar estoy esta estamos estan estaba este haber he \
    has ha hemos han hay habia hubo tener tengo tiene tienes tienen tenia aqui ahi alli asi entonces";

const FUNCTION_EN: &str = "a an the and or but nor so yet if then than as at by for from in into of off on onto out over \
    to up upon with within without about above after again against before below between down during through under \
    until while i me my mine myself we us our ours you your yours he him his she her hers it its they them their \
    theirs this that these those who whom whose which what when where why how am is are was were be been being do does \
    did doing done have has had having can could may might must shall should will would not no nor only own same such \
    too very just also here there s t d ll m re ve don doesn didn isn aren wasn won wouldn couldn shouldn hasn haven \
    any all both each few more most other some because";

const FILLER_PT: &str = "a ao aos ai as ate bem boa bom com como da das de dia do dos e ela ele eles em era essa esse \
    esta estao estou este eu foi gostaria ha isso isto ja la lhe mais mas me meu meus minha minhas muito na nas nao \
    no nos nem o oi ola obrigada obrigado ou os para pela pelo per pode posso por porque pra pro q qual quais quando \
    quanto quantos quanta que quem queria quero se sem ser seu seus so sou sua suas ta tarde tb tem tenho ter tudo \
    um uma vai vc vcs voce voces vou";

const FILLER_IT: &str = "a ad ai al alla alle allo agli anche avete buon buona buongiorno buonasera c che chi ci ciao \
    come con cosa cui da dagli dai dal dalla d de degli dei del dell della delle dello di dove e ed era essere fa \
    gli grazie ha hai hanno ho i il in io l la le lei lo loro ma me mi mia mie miei mio molto ne nei nel nella \
    nelle no noi non o per perche piu po posso possibile puo qual quale quali quando quanta quanti quanto questa \
    queste questi questo salve se sei si sia sono sta sto su sua sue sugli sui sul sulla suo suoi te ti tra tu un \
    una uno vi voi vorrei vostra vostri vostro";

const FILLER_ES: &str = "a al algo alguna asi bien buen buena buenas bueno buenos como con cual cuales cuando cuanta \
    cuanto cuantos de del desde dia dias donde e el ella ellos en era es esa ese eso esta estan estas este esto \
    estoy fue gracias ha hacer hasta hay he hola la las le les lo los mas me mi mis muy na ni no nos o os para pero \
    por porque pq puede puedo q que quien quiero quisiera se sea ser si sin sobre son soy su sus tambien tarde \
    tengo tiene tienen tu tus un una unas uno unos vuestra vuestro y ya yo";

const FILLER_EN: &str = "a about am an and any are as at be been but by can could d did do does doesn don for from \
    get got had has have hello hey hi how i if in into is it its just ll m me my need of ok okay on or our out \
    please re s should so t thank thanks that the their them then there these they this to us ve want was we were \
    what when where which who why will with would you your yours";
