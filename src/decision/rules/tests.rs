//! Tables of conditions, of mistakes, and of what rules do.

use super::load::{Known, Source, compile};
use super::routing::Priority;
use super::{PolicyError, Rules, blocked, edited, holding_message};
use crate::conversation::{Channel, Customer, Labels, Language, WorkspaceId};
use crate::decision::policy::tests::{Case, draft, hit, judged};
use crate::decision::{Demand, Evidence, Reason, ReasonCode, Verdict};
use crate::understanding::{MatchedBy, TopicMatch};

fn source(text: &str) -> Vec<Source> {
    vec![("shop.toml".to_owned(), text.to_owned())]
}

fn known() -> Known {
    Known { topics: ["refund".to_owned(), "legal".to_owned()].into(), ..Known::default() }
}

fn rules(text: &str) -> Rules {
    compile(&source(text), &known()).unwrap()
}

/// One rule that escalates when `when` holds.
fn when(when: &str) -> Rules {
    rules(&format!("[[rules]]\nname = \"r\"\nwhen = {{ {when} }}\nthen.escalate = {{}}\n"))
}

fn workspace() -> WorkspaceId {
    WorkspaceId("shop".into())
}

/// What the rule's conditions found; nothing where it does not apply.
fn found(rules: &Rules, case: &Case) -> Vec<(String, String)> {
    let matches = rules.matches(&workspace(), &case.input());
    let evidence = matches.iter().flat_map(|found| &found.evidence);
    evidence
        .filter_map(|evidence| match evidence {
            Evidence::Rule { condition, found, place, .. } => {
                assert_eq!(place.is_some(), matches!(condition.as_str(), "pattern" | "amount_over"));
                Some((condition.clone(), found.clone()))
            }
            Evidence::Demand { demand, .. } => {
                assert_eq!(*demand, Demand::Escalate);
                None
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

fn case() -> Case {
    let mut case = Case::asking("Quero a devolução de R$ 1.200,00 já!");
    case.language = Some(Language::Pt);
    case.conversation.channel = Channel::Whatsapp;
    case.conversation.labels = Labels::parse(["product=coffee", "region=br"]).unwrap();
    case.conversation.customer = Some(Customer {
        id: "u".into(),
        name: None,
        attributes: [("plan".to_owned(), "gold".to_owned())].into(),
        opted_in_at: None,
    });
    case.understanding.topics = vec![TopicMatch {
        name: "refund".into(),
        score: 0.91,
        by: MatchedBy::Example,
        example: "Quero meu dinheiro".into(),
    }];
    assert_eq!(case.now.to_rfc3339(), "2026-11-18T11:06:40+00:00");
    case
}

#[test]
fn each_condition_holds_on_its_evidence_or_not_at_all() {
    let case = case();
    for (condition, evidence) in [
        ("topic = \"refund\"", Some("refund: “Quero meu dinheiro”")),
        ("topic = [\"legal\"]", None),
        ("pattern = { regex = '\\bDEVOLUCAO\\b' }", Some("“devolução”")),
        ("pattern = { regex = 'reembolso' }", None),
        ("pattern = { regex = 'devolução', in = \"both\" }", Some("“devolução”")),
        ("channel = \"whatsapp\"", Some("whatsapp")),
        ("channel = [\"email\", \"web_chat\"]", None),
        ("language = [\"pt\", \"es\"]", Some("pt")),
        ("language = \"it\"", None),
        ("label = \"region=br\"", Some("region=br")),
        ("label = \"region=pt\"", None),
        ("customer = { plan = [\"silver\", \"gold\"] }", Some("plan=gold")),
        ("customer = { plan = \"gold\", country = \"br\" }", None),
        ("amount_over = { value = 1000, currency = \"BRL\" }", Some("“R$ 1.200,00”")),
        ("amount_over = { value = 1000 }", Some("“R$ 1.200,00”")),
        ("amount_over = { value = 1000, currency = \"EUR\" }", None),
        ("amount_over = { value = 1200 }", None),
        (
            "hours = { time_zone = \"Europe/Rome\", open = [\"mon-fri 09:00-18:00\"] }",
            Some("2026-11-18 11:06 UTC"),
        ),
        ("hours = { time_zone = \"America/Sao_Paulo\", open = [\"mon-fri 09:00-18:00\"] }", None),
        (
            "outside_hours = { time_zone = \"Europe/Rome\", open = [\"mon-fri 09:00-18:00\"], holidays = [\"11-18\"] }",
            Some("2026-11-18 11:06 UTC"),
        ),
        ("not = { channel = \"email\" }", Some("what the rule excludes was not found")),
        ("not = { channel = \"whatsapp\" }", None),
        ("any = [{ channel = \"email\" }, { language = \"pt\" }]", Some("pt")),
        ("any = [{ channel = \"email\" }, { language = \"it\" }]", None),
        ("", Some("every message")),
    ] {
        let found = found(&when(condition), &case);
        let evidence: Vec<&str> = evidence.into_iter().collect();
        assert_eq!(
            found.iter().map(|(_, found)| found.as_str()).collect::<Vec<_>>(),
            evidence,
            "{condition}"
        );
    }
    let both = found(&when("topic = \"refund\", channel = \"whatsapp\""), &case);
    assert_eq!(both.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["channel", "topic"]);
    assert!(found(&when("topic = \"refund\", channel = \"email\""), &case).is_empty());
}

#[test]
fn what_reads_a_draft_waits_for_it() {
    let mut case = case();
    let confident = judged(&[]);
    for (condition, before, after) in [
        ("confidence_below = 0.6", false, true),
        ("confidence_below = 0.5", false, false),
        ("not = { confidence_below = 0.5 }", false, true),
        ("pattern = { regex = 'quatro dias', in = \"draft\" }", false, true),
        ("pattern = { regex = 'quatro dias' }", false, false),
        ("any = [{ confidence_below = 0.1 }, { channel = \"whatsapp\" }]", true, true),
        ("amount_over = { value = 10, currency = \"EUR\", in = \"draft\" }", false, true),
    ] {
        let rules = when(condition);
        case.draft = None;
        assert_eq!(!found(&rules, &case).is_empty(), before, "{condition} before");
        case.draft = Some(draft("São quatro dias e 12 euros."));
        case.judgement = Some(confident.clone());
        assert_eq!(!found(&rules, &case).is_empty(), after, "{condition} after");
    }
}

#[test]
fn every_match_is_reported_with_its_verdict() {
    let rules = rules(
        r#"
        [[rules]]
        name = "look"
        description = "Refunds are looked at"
        when = { topic = "refund" }
        then = { draft = true }
        [[rules]]
        name = "elsewhere"
        workspaces = "other"
        when = {}
        then = { block = true }
        [[rules]]
        name = "large"
        when = { amount_over = { value = 500 } }
        then = { escalate = { queue = "money", priority = "high" } }
        [[queues]]
        name = "money"
        "#,
    );
    let case = case();
    let matches = rules.matches(&workspace(), &case.input());
    let checks: Vec<_> = matches.iter().map(super::RuleMatch::check).collect();
    let verdicts: Vec<_> = checks.iter().map(|check| (check.check, check.verdict)).collect();
    assert_eq!(verdicts, [(ReasonCode::Policy, Verdict::Draft), (ReasonCode::Policy, Verdict::Escalate)]);
    assert_eq!(
        checks[0].detail.as_deref(),
        Some("The rule `look` (Refunds are looked at) wants an agent to look.")
    );
    assert!(!blocked(&matches));
    assert!(blocked(&rules.matches(&WorkspaceId("other".into()), &case.input())));
}

#[test]
fn replies_are_edited_and_sources_required() {
    let rules = rules(
        r#"
        [[rules]]
        name = "tickets"
        when = {}
        then = { redact = { regex = 'tk-\d+' } }
        [[rules]]
        name = "signature"
        when = { language = "pt" }
        then.append = { pt = "Equipe da loja" }
        [[rules]]
        name = "law"
        when = { topic = "refund" }
        then.require_citation = "source=law"
        "#,
    );
    let mut case = case();
    case.retrieved = vec![hit("p1", "São quatro dias.", 0.9, 0.5)];
    let verdicts = |case: &Case| {
        rules.matches(&workspace(), &case.input()).iter().map(|found| found.verdict).collect::<Vec<_>>()
    };
    case.draft = Some(draft("São quatro dias, veja TK-12."));
    assert_eq!(verdicts(&case), [Verdict::Draft, Verdict::Pass, Verdict::Draft]);
    let matches = rules.matches(&workspace(), &case.input());
    let text = &case.draft.as_ref().unwrap().text;
    let after = edited(&matches, text, Language::Pt).unwrap();
    assert_eq!(after, "São quatro dias, veja […].\n\nEquipe da loja");
    assert_eq!(edited(&matches, &after, Language::Pt), None, "nothing is added twice");
    case.draft = Some(draft("São quatro dias."));
    case.retrieved[0].passage.labels = Labels::parse(["source=law"]).unwrap();
    assert_eq!(verdicts(&case), [Verdict::Pass; 3]);
}

#[test]
fn all_that_a_rule_does_to_a_reply_is_told() {
    let texts = r#"{ pt = "Fim.", it = "Fine.", es = "Fin.", en = "End." }"#;
    let rule = |then: &str| {
        let redact = r"then.redact = { regex = 'tk-\d+' }";
        rules(&format!("[[rules]]\nname = 'r'\nwhen = {{}}\n{then}\n{redact}\nthen.append = {texts}"))
    };
    let mut case = case();
    let told = |rules: &Rules, case: &Case| {
        let found = rules.matches(&workspace(), &case.input()).remove(0);
        let demands = found.evidence.iter().filter_map(|evidence| match evidence {
            Evidence::Demand { demand, .. } => Some(*demand),
            _ => None,
        });
        (found.verdict, demands.collect::<Vec<_>>(), found.detail.clone())
    };
    let looked = rule("then.draft = true");
    let (verdict, demands, _) = told(&looked, &case);
    assert_eq!((verdict, demands), (Verdict::Draft, vec![Demand::Draft]), "there is no reply yet");
    case.draft = Some(draft("Veja TK-12."));
    let (verdict, demands, detail) = told(&looked, &case);
    assert_eq!((verdict, demands), (Verdict::Draft, vec![Demand::Draft, Demand::Redact, Demand::Append]));
    assert_eq!(
        detail,
        "The rule `r` wants an agent to look; took words out of the reply, so an agent looks; adds words to the reply."
    );
    let (verdict, demands, _) = told(&rule("then.escalate = {}"), &case);
    assert_eq!(
        (verdict, demands),
        (Verdict::Escalate, vec![Demand::Escalate, Demand::Redact, Demand::Append])
    );
    let (_, demands, _) = told(&rule("then.block = true"), &case);
    assert_eq!(demands, [Demand::Block], "nobody sees the reply");
    case.draft = Some(draft("Veja."));
    let (verdict, demands, _) = told(&rule(""), &case);
    assert_eq!((verdict, demands), (Verdict::Pass, vec![Demand::Append]));
}

#[test]
fn the_strictest_rule_speaks_to_who_waits() {
    let rule = |name: &str, then: &str, says: &str| {
        let says = format!("then.holding_message = {{ pt = '{says}', it = '-', es = '-', en = '-' }}");
        let text = format!("[[rules]]\nname = '{name}'\nwhen = {{}}\n{then}\n{says}");
        (format!("{name}.toml"), text)
    };
    let night = rule("a-night", "", "Abrimos às 9h.");
    let look = rule("b-look", "then.draft = true", "Vamos ver.");
    let refund = rule("c-refund", "then.escalate = {}", "Já encaminhei o reembolso.");
    let accident = rule("d-accident", "then.escalate = { priority = 'urgent' }", "Ligue já para o 112.");
    let block = rule("e-block", "then.block = true", "Uma pessoa vem já.");
    let mute =
        ("f.toml".into(), "[[rules]]\nname = 'f'\nwhen = {}\nthen.escalate.priority = 'urgent'".into());
    for (rules, said) in [
        (vec![&night], "Abrimos às 9h."),
        (vec![&night, &mute], "Abrimos às 9h."),
        (vec![&night, &look], "Vamos ver."),
        (vec![&night, &look, &refund], "Já encaminhei o reembolso."),
        (vec![&night, &refund, &accident, &block], "Ligue já para o 112."),
        (vec![&look, &block], "Uma pessoa vem já."),
        (vec![&refund, &rule("z", "then.escalate = {}", "Depois.")], "Já encaminhei o reembolso."),
    ] {
        let sources: Vec<Source> = rules.into_iter().cloned().collect();
        let matches = compile(&sources, &known()).unwrap().matches(&workspace(), &case().input());
        assert_eq!(holding_message(&matches, Language::Pt), Some(said), "{sources:?}");
    }
}

#[test]
fn a_holding_message_fits_every_channel_of_its_rule() {
    let text = "é".repeat(490);
    let rule = |when: &str, rest: &str| {
        format!(
            "[[rules]]\nname = 'a'\nwhen = {{ {when} }}\n\
             then.holding_message = {{ pt = 'x', it = '{text}', es = 'x', en = '{rest}' }}"
        )
    };
    for (when, rest, fits) in [
        ("", "x", false),
        ("channel = ['email', 'instagram']", "x", false),
        ("not = { channel = 'email' }", "x", false),
        ("not = { channel = 'instagram', language = 'it' }", "x", false),
        ("any = [{ channel = 'api' }, { label = 'a=b' }]", "x", false),
        ("language = ['pt', 'es']", "x", true),
        ("channel = ['email', 'whatsapp']", "x", true),
        ("not = { channel = ['instagram', 'api'] }", "x", true),
        ("any = [{ channel = 'api' }, { channel = 'whatsapp' }]", "x", true),
        ("channel = 'web_chat'", &*"e".repeat(1990), false),
        ("channel = 'api'", &*"e".repeat(5000), true),
    ] {
        match compile(&source(&rule(when, rest)), &known()) {
            Ok(_) => assert!(fits, "{when}"),
            Err(error) => {
                let error = error.to_string();
                assert!(!fits && error.contains("rule `a`: then.holding_message: has "), "{when}: {error}");
                assert!(error.contains(if rest == "x" {
                    "instagram takes 1000"
                } else {
                    "web_chat takes 2000"
                }));
            }
        }
    }
    let mut roomy = known();
    roomy.decision.max_chars_instagram = 2_000;
    assert!(compile(&source(&rule("", "x")), &roomy).is_ok(), "the limits are the configuration's");
}

#[test]
fn a_conversation_goes_to_the_most_urgent_queue() {
    let rules = rules(
        r#"
        [handoff]
        queue = "all"
        reasons.complaint = { queue = "care", priority = "high" }
        [[queues]]
        name = "all"
        [[queues]]
        name = "care"
        [[queues]]
        name = "money"
        hours = { time_zone = "Europe/Rome", open = ["mon-fri 14:00-18:00"] }
        [[rules]]
        name = "refunds"
        when = { topic = "refund" }
        then.escalate = { queue = "money", priority = "low" }
        then.holding_message = { pt = " Um momento. ", it = "Un momento.", es = "Un momento.", en = "One moment." }
        "#,
    );
    let case = case();
    let matches = rules.matches(&workspace(), &case.input());
    let reason = |code| Reason { code, detail: String::new(), evidence: Vec::new() };
    let route = |matches: &[_], codes: &[ReasonCode]| {
        let reasons: Vec<_> = codes.iter().map(|code| reason(*code)).collect();
        let (queue, priority) = rules.route(matches, &reasons, &[], case.now);
        (queue.map(|queue| queue.name), priority)
    };
    let to = |name: &str| Some(name.to_owned());
    assert_eq!(route(&matches, &[ReasonCode::Policy]), (to("money"), Priority::Low));
    assert_eq!(route(&matches, &[ReasonCode::Policy, ReasonCode::Complaint]), (to("money"), Priority::High));
    assert_eq!(route(&[], &[ReasonCode::Complaint]), (to("care"), Priority::High));
    assert_eq!(route(&[], &[ReasonCode::AsksForHuman]), (to("all"), Priority::Normal));
    let (queue, _) = rules.route(&matches, &[], &[], case.now);
    let queue = serde_json::to_value(queue.unwrap()).unwrap();
    assert_eq!(
        queue,
        serde_json::json!({"name": "money", "open": false, "opens_at": "2026-11-18T14:00:00+01:00",
            "time_zone": "Europe/Rome"})
    );
    assert_eq!(holding_message(&matches, Language::Pt), Some("Um momento."));
    let nobody = Rules::default().route(&[], &[reason(ReasonCode::Complaint)], &[], case.now);
    assert_eq!(nobody, (None, Priority::High));

    // What the message says of itself raises the priority, whoever takes over.
    for (matches, code, topics, priority) in [
        (&matches[..], ReasonCode::Policy, &["urgency"][..], Priority::Normal),
        (&[], ReasonCode::AsksForHuman, &["urgency"], Priority::High),
        (&[], ReasonCode::AsksForHuman, &["refund"], Priority::Normal),
        (&[], ReasonCode::Complaint, &["complaint", "urgency"], Priority::Urgent),
        (&[], ReasonCode::Complaint, &["legal_threat"], Priority::High),
        (&matches, ReasonCode::Complaint, &["safety"], Priority::Urgent),
        (&[], ReasonCode::Complaint, &["safety", "urgency"], Priority::Urgent),
    ] {
        let topic = |name: &&str| TopicMatch { name: (*name).into(), ..case.understanding.topics[0].clone() };
        let topics: Vec<TopicMatch> = topics.iter().map(topic).collect();
        let found = rules.route(matches, &[reason(code)], &topics, case.now).1;
        assert_eq!(found, priority, "{code:?} {topics:?}");
    }
}

#[test]
fn mistakes_name_file_rule_and_field() {
    for (text, at, what) in [
        ("rules = 3", "rules", "[[rules]]"),
        ("[[rule]]\nname = 'a'", "rule", "`rules`, `queues` and `handoff`"),
        ("[[rules]", "syntax", "line 1"),
        ("[[rules]]\nname = 'a'\nthen.draft = true", "rule `a`", "missing field `when`"),
        ("[[rules]]\nwhen = {}\nthen.draft = true", "rule 1", "missing field `name`"),
        ("[[rules]]\nname = 'A b'\nwhen = {}\nthen.draft = true", "rule `A b`: name", "lower-case"),
        ("[[rules]]\nname = 'a'\nwhen = {}\nthen = {}", "rule `a`: then", "does nothing"),
        (
            "[[rules]]\nname = 'a'\nwhen.chanel = 'api'\nthen.draft = true",
            "rule `a`: when.chanel",
            "unknown field `chanel`",
        ),
        (
            "[[rules]]\nname = 'a'\nwhen.channel = 'sms'\nthen.draft = true",
            "rule `a`: when.channel",
            "`whatsapp`",
        ),
        (
            "[[rules]]\nname = 'a'\nwhen.topic = 'refunds'\nthen.draft = true",
            "rule `a`: when.topic",
            "`legal`, `refund`",
        ),
        ("[[rules]]\nname = 'a'\nwhen.topic = []\nthen.draft = true", "rule `a`: when.topic", "is empty"),
        ("[[rules]]\nname = 'a'\nwhen.label = '=x'\nthen.draft = true", "rule `a`: when.label", "key=value"),
        (
            "[[rules]]\nname = 'a'\nwhen.pattern.regex = '('\nthen.draft = true",
            "rule `a`: when.pattern.regex",
            "does not parse",
        ),
        (
            "[[rules]]\nname = 'a'\nwhen.any = [{}]\nthen.draft = true",
            "rule `a`: when.any[0]",
            "always holds",
        ),
        (
            "[[rules]]\nname = 'a'\nwhen.confidence_below = 70\nthen.draft = true",
            "rule `a`: when.confidence_below",
            "0 to 1",
        ),
        (
            "[[rules]]\nname = 'a'\nwhen.hours = { time_zone = 'Rome', open = ['daily 09:00-18:00'] }\nthen.draft = true",
            "rule `a`: when.hours.time_zone",
            "IANA",
        ),
        (
            "[[rules]]\nname = 'a'\nwhen = {}\nthen.escalate.queue = 'x'\n[[queues]]\nname = 'y'",
            "rule `a`: then.escalate.queue",
            "there are `y`",
        ),
        (
            "[[rules]]\nname = 'a'\nwhen = {}\nthen.append.pt = 'x'",
            "rule `a`: then.append",
            "no text for it, es, en",
        ),
        (
            "[[rules]]\nname = 'a'\nwhen = {}\nthen.draft = true\n[[rules]]\nname = 'a'\nwhen = {}\nthen.draft = true",
            "rule `a`: name",
            "another name",
        ),
        ("[handoff]\nqueue = 'x'", "handoff: queue", "there is none"),
    ] {
        match compile(&source(text), &known()) {
            Err(PolicyError::Invalid(problems)) => {
                let problem = &problems[0];
                assert_eq!(
                    (problem.file.as_str(), problem.at.as_str()),
                    ("shop.toml", at),
                    "{text}\n{problem:?}"
                );
                assert!(problem.message.contains(what), "{text}\n{problem:?}");
            }
            other => panic!("{text}\n{other:?}"),
        }
    }
    let two = compile(
        &source(
            "[[rules]]\nname = 'a'\nwhen = {}\nthen = {}\n[[rules]]\nname = 'b'\nwhen = 3\nthen.draft = true",
        ),
        &known(),
    );
    let error = two.unwrap_err().to_string();
    assert!(error.contains("2 problem(s)") && error.contains("`ponto policy schema`"), "{error}");
}
