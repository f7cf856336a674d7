use proptest::prelude::*;

use super::*;

fn kinds(text: &str) -> Vec<Kind> {
    find(text).into_iter().map(|found| found.kind).collect()
}

#[test]
fn every_kind_is_found_in_a_sentence() {
    for (text, kind) in [
        ("escreva para ana.b@mail.example.com, por favor", Kind::Email),
        ("it is \"ana lu\"@mail.example.com, I think", Kind::Email),
        ("meu CPF é 529.982.247-25.", Kind::Cpf),
        ("meu cpf 52998224725", Kind::Cpf),
        ("nosso CNPJ: 11.222.333/0001-81", Kind::Cnpj),
        ("o CNPJ novo é 12.ABC.345/01DE-35", Kind::Cnpj),
        ("o meu NIF é 123 456 789, obrigada", Kind::Nif),
        ("mi DNI es 12345678-Z", Kind::Dni),
        ("NIE X1234567L", Kind::Nie),
        ("la empresa tiene el CIF A58818501", Kind::Cif),
        ("il mio codice fiscale è RSSMRA85T10A562S", Kind::CodiceFiscale),
        ("P. IVA 12345678903", Kind::PartitaIva),
        ("conto IT60 X054 2811 1010 0000 0123 456 grazie", Kind::Iban),
        ("card 4111 1111 1111 1111 was charged", Kind::Card),
        ("my SSN is 536-90-4399", Kind::Ssn),
        ("national insurance number AB 12 34 56 C", Kind::Nino),
        ("ligue +55 11 91234-5678", Kind::Mobile),
        ("llame al 912 345 678", Kind::Mobile),
        ("call me on 020 7946 0958", Kind::Phone),
        ("chiamami al 347 123 4567", Kind::Mobile),
        ("nasci em 12/03/1985", Kind::BirthDate),
        ("sono nata il 3 maggio 1990 a Torino", Kind::BirthDate),
        ("fecha de nacimiento: 1/2/79", Kind::BirthDate),
        ("Date of birth 1985-03-12", Kind::BirthDate),
        ("moro na Rua das Flores, 123, apto 45", Kind::Address),
        ("abito in Via Garibaldi 12/B", Kind::Address),
        ("vivo en la Calle Mayor, 5, 2º B", Kind::Address),
        ("I live at 12 Baker Street, Flat 4", Kind::Address),
        ("passport number 107182890", Kind::Passport),
        ("CEP 01310-100", Kind::PostalCode),
    ] {
        assert_eq!(kinds(text), [kind], "{text}");
    }
}

#[test]
fn other_numbers_are_left_alone() {
    for text in [
        "R$ 1.299,90",
        "em 2026-11-22 ou 22/11/2026",
        "30 days, 2 kg, 5 x 12,50",
        "ref 4471902",
        "aberto das 13:00-17:30, de 2019-2024",
        "pedido 52998224725 não chegou",
        "my order #4111111111111111 is late",
        "tracking 912345678",
        "são 12.345.678 de clientes, 1 234 567 visitas",
        "o modelo 123456789 custa € 12345678903",
        "versão 10.0.19045.2364",
        "spedito via email 24 ore dopo, via 3 corrieri",
        "invalid 529.982.247-26, 4111 1111 1111 1112.",
        "chegou em 12/03/2026",
    ] {
        let found: Vec<_> = find(text)
            .into_iter()
            .filter(|found| !matches!(found.kind, Kind::Phone | Kind::Mobile))
            .collect();
        assert!(found.is_empty(), "{text}: {found:?}");
    }
    for text in
        ["pedido 52998224725", "R$ 1.299,90", "2019-2024", "12.345.678", "9 a 17 h", "versão 10.0.19045.2364"]
    {
        assert!(kinds(text).is_empty(), "{text}: {:?}", find(text));
    }
}

#[test]
fn a_bare_number_answers_a_question() {
    for (text, kind) in [
        ("123456789", Kind::Nif),
        ("12345678903", Kind::PartitaIva),
        ("107182890", Kind::Passport),
        ("01310-100", Kind::PostalCode),
    ] {
        assert!(readings(text).iter().any(|found| found.kind == kind), "{text}: {:?}", readings(text));
    }
    assert!(!kinds("I bought 123456789 of them").contains(&Kind::Nif));
}

#[test]
fn numbers_side_by_side_are_two() {
    assert_eq!(kinds("912345678 +55 11 91234-5678"), [Kind::Mobile, Kind::Mobile]);
    assert_eq!(kinds("+351 912 345 678 529.982.247-25"), [Kind::Mobile, Kind::Cpf]);
}

#[test]
fn spellings_compare_equal() {
    for (one, other) in [
        ("52998224725", "529.982.247-25"),
        ("Ana@Mail.Example.com", "ana@mail.example.com"),
        ("+351 912 345 678", "912345678"),
        ("IT60X0542811101000000123456", "it60 x054 2811 1010 0000 0123 456"),
    ] {
        assert_eq!(find(one)[0].normal, find(other)[0].normal, "{one} {other}");
    }
}

#[test]
fn what_is_left_out_leaves_the_matter() {
    for (text, left) in [
        ("write to Ana.Lu@mail.example.com now", "write to [email] now"),
        ("IBAN ES91 2100 0418 4502 0005 1332?", "IBAN [iban]?"),
        ("call +351 210 000 111 on 12/03/2026", "call [phone] on 12/03/2026"),
        ("pedido 4471902118", "pedido [number]"),
        ("5 dias para 2 pedidos de R$ 299", "5 dias para 2 pedidos de R$ 299"),
    ] {
        assert_eq!(left_out(text), left);
    }
}

#[test]
fn typography_hides_nothing() {
    for (text, kind, place) in [
        ("CPF 529.982.247–25.", Kind::Cpf, "529.982.247–25"),
        ("CPF 529.982.247\u{2011}25", Kind::Cpf, "529.982.247\u{2011}25"),
        ("CPF\u{a0}529\u{2009}982\u{2009}247\u{2212}25", Kind::Cpf, "529\u{2009}982\u{2009}247\u{2212}25"),
        ("o CPF é \u{200b}529.\u{200b}982.247-25\u{200b}, ok", Kind::Cpf, "529.\u{200b}982.247-25"),
        ("card 4111\u{a0}1111\u{202f}1111\u{2011}1111", Kind::Card, "4111\u{a0}1111\u{202f}1111\u{2011}1111"),
        ("conto IT60\u{202f}X0542811101000000123456", Kind::Iban, "IT60\u{202f}X0542811101000000123456"),
        ("ligue +55\u{a0}11\u{a0}91234–5678", Kind::Mobile, "+55\u{a0}11\u{a0}91234–5678"),
        ("write to ana@mail\u{200b}.example.com", Kind::Email, "ana@mail\u{200b}.example.com"),
    ] {
        let found = find(text);
        assert_eq!(found.iter().map(|found| found.kind).collect::<Vec<_>>(), [kind], "{text}");
        assert_eq!(&text[found[0].span.clone()], place);
    }
    assert_eq!(find("CPF 529.982.247–25")[0].normal, find("529.982.247-25")[0].normal);
    for text in [
        "2019–2024",
        "aberto das 09:00–18:00",
        "de 1.200–1.500 euros",
        "págs. 120–135 e 140–151",
        "o modelo 12–34",
    ] {
        assert!(kinds(text).is_empty(), "{text}: {:?}", find(text));
    }
    assert_eq!(left_out("pedido 4471\u{2011}902\u{2011}118"), "pedido [number]");
}

fn conversation() -> Placeholders {
    let mut placeholders = Placeholders::default();
    placeholders.learn_name("Ana de Souza");
    placeholders.learn("meu CPF é 529.982.247-25 e o e-mail ana@mail.example.com");
    placeholders.learn("o meu NIF é o 123456789");
    placeholders
}

#[test]
fn masking_is_stable_and_comes_back() {
    let mut placeholders = conversation();
    let text =
        "Ana, o CPF 52998224725 e ANA@mail.example.com? NIF 123456789; outro: 390.533.447-05 (529.982…";
    let masked = placeholders.mask(text);
    assert_eq!(masked, "[NAME_2], o CPF [CPF_1] e [EMAIL_1]? NIF [NIF_1]; outro: [CPF_2] ([CPF_1]…");
    assert_eq!(
        placeholders.restore("Ana: [cpf_1], 【EMAIL_1】, CPF_2, <NIF 1>, [CPF\\_2], [CPF_9] e [NAME_1]"),
        "Ana: 529.982.247-25, ana@mail.example.com, 390.533.447-05, 123456789, 390.533.447-05, [CPF_9] e Ana de Souza"
    );
    assert_eq!(conversation().mask("Banana e anagrama"), "Banana e anagrama");
}

#[test]
fn what_was_masked_of_a_name_comes_back_as_it_was_written() {
    let mut placeholders = Placeholders::default();
    placeholders.publish("A entrega leva 5 dias úteis.");
    placeholders.learn_name("João Dias");
    placeholders.learn("aqui é o JOÃO, joão dias mesmo");
    let said = "Sr. Dias, JOÃO: leva 5 dias úteis, joão dias. João Dias, JOÃO D…";
    let masked = placeholders.mask(said);
    assert_eq!(masked, "Sr. [NAME_3], [NAME_4]: leva 5 dias úteis, [NAME_5]. [NAME_1], [NAME_4] D…");
    assert_eq!(placeholders.restore(&masked), said);
}

#[test]
fn a_name_that_was_cut_is_no_word_and_comes_back_as_it_was() {
    for (name, said, expected) in [
        ("João Dias", "Bom Dia…", "Bom Dia…"),
        ("João Dias", "de João Di…", "de [NAME_4]…"),
        ("Helena Martins", "o Mar…", "o Mar…"),
        ("Helena Martins", "a Hele…", "a [NAME_4]…"),
    ] {
        let mut placeholders = Placeholders::default();
        placeholders.learn_name(name);
        let masked = placeholders.mask(said);
        assert_eq!(masked, expected, "{name}");
        assert_eq!(placeholders.restore(&masked), said, "{name}");
    }
}

#[test]
fn what_is_published_stays() {
    let mut placeholders = Placeholders::default();
    placeholders.publish("Write to help@shop.example.com or call +351 210 000 111.");
    assert_eq!(
        placeholders.mask("help@shop.example.com, 210000111, me@mail.example.com"),
        "help@shop.example.com, 210000111, [EMAIL_1]"
    );
}

#[test]
fn any_cut_restores_the_same() {
    let placeholders = conversation();
    let reply = "Olá, [NAME_1]! O CPF [CPF_1] [1] está certo, e CPF_1 também. Escrevemos para [email_1].";
    let whole = placeholders.restore(reply);
    assert!(whole.contains("529.982.247-25 também") && whole.ends_with("ana@mail.example.com."), "{whole}");
    let characters: Vec<char> = reply.chars().collect();
    for size in 1..14 {
        let mut restoring = Restoring::with(placeholders.clone());
        let mut text = String::new();
        for piece in characters.chunks(size) {
            text.push_str(&restoring.push(&piece.iter().collect::<String>()));
        }
        text.push_str(&restoring.finish());
        assert_eq!(text, whole, "{size}");
    }
}

/// A CPF of nine digits, its check digits counted here by the definition and not by the code under test.
fn cpf(base: &[u32]) -> String {
    let mut digits = base.to_vec();
    for first in [10, 11] {
        let sum: u32 = digits.iter().zip((2..=first).rev()).map(|(digit, weight)| digit * weight).sum();
        digits.push(sum * 10 % 11 % 10);
    }
    digits.iter().map(ToString::to_string).collect()
}

fn iban(account: &str) -> String {
    let rest =
        format!("{account}142800").bytes().fold(0, |rest, byte| (rest * 10 + u32::from(byte - b'0')) % 97);
    format!("ES{:02}{account}", 98 - rest)
}

proptest! {
    #[test]
    fn generated_cpfs_are_found_and_wrong_ones_are_not(base in proptest::collection::vec(0_u32..10, 9), off in 1_u32..10) {
        prop_assume!(base.windows(2).any(|pair| pair[0] != pair[1]));
        let number = cpf(&base);
        prop_assert!(readings(&number).iter().any(|found| found.kind == Kind::Cpf), "{number}");
        let last = u32::from(number.as_bytes()[10] - b'0');
        let wrong = format!("{}{}", &number[..10], (last + off) % 10);
        prop_assert!(readings(&wrong).iter().all(|found| found.kind != Kind::Cpf), "{wrong}");
    }

    #[test]
    fn generated_ibans_are_found_in_groups_and_a_wrong_digit_is_not(account in "[0-9]{20}", place in 4_usize..24, off in 1_u8..10) {
        let number = iban(&account.replace(' ', ""));
        let groups: Vec<String> = number.as_bytes().chunks(4).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
        let found = find(&format!("para {} hoje", groups.join(" ")));
        prop_assert!(found.iter().any(|found| found.kind == Kind::Iban && found.normal == number), "{number}: {found:?}");
        let mut wrong = number.into_bytes();
        wrong[place] = (wrong[place] - b'0' + off) % 10 + b'0';
        let wrong = String::from_utf8(wrong).unwrap();
        prop_assert!(readings(&wrong).iter().all(|found| found.kind != Kind::Iban), "{wrong}");
    }

    #[test]
    fn a_dni_has_one_letter(number in 1_u32..99_999_999) {
        let right: Vec<char> = ('A'..='Z')
            .filter(|letter| readings(&format!("{number:08}{letter}")).iter().any(|found| found.kind == Kind::Dni))
            .collect();
        prop_assert_eq!(right.len(), 1);
    }

    #[test]
    fn masking_any_text_comes_back(text in "([a-zé .,:()]{0,12}( 529\\.982\\.247-25 | ana@mail\\.example\\.com | \\+351 912 345 678 | RSSMRA85T10A562S )?){0,5}") {
        let mut placeholders = Placeholders::default();
        let masked = placeholders.mask(&text);
        for value in ["529.982.247-25", "ana@mail", "912 345 678", "RSSMRA85T10A562S"] {
            prop_assert!(!masked.contains(value), "{masked}");
        }
        prop_assert_eq!(placeholders.restore(&masked), text);
    }

    #[test]
    fn no_text_breaks_the_finder(text in "\\PC{0,80}") {
        let mut end = 0;
        for found in find(&text) {
            prop_assert!(found.span.start >= end && text.is_char_boundary(found.span.start));
            end = found.span.end;
        }
    }
}
