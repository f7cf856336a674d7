//! Which bare names a telephone or a mail program turns into a link.

/// Names that no list of the internet's endings holds: of RFC 2606 and RFC 6761, and of networks at home.
const RESERVED: &[&str] = &["example", "test", "invalid", "local", "localhost"];

/// Abbreviations with a full stop inside that look like a host.
const ABBREVIATIONS: &[&str] = &[
    "p.es", "n.ro", "n.os", "sig.na", "sig.ne", "sig.ra", "gent.mo", "gent.ma", "ill.mo", "ill.ma", "il.mo",
    "il.ma", "ex.mo", "ex.ma", "v.sa", "v.sas", "sr.as", "c.so", "p.za", "gent.li", "gent.me", "preg.mo",
    "preg.ma", "s.to", "c.ca", "rev.do", "rev.mo", "ch.mo", "ch.ma", "egr.gi",
];

/// Whether a name with a full stop is a host: `shop.com`, `evil.lat`, and `main.rs` too, for `rs` is Serbia.
///
/// Its ending must be a public suffix by Mozilla's list, reserved, or in letters of another script; `node.js` is none. A capital
/// behind the last full stop begins a sentence (`30 days.It`): the caller that knows better gives the name in lower case.
pub fn is_host(name: &str) -> bool {
    let Some((before, ending)) = name.rsplit_once('.') else { return false };
    let mut letters = ending.chars();
    let sentence = before.ends_with(char::is_lowercase)
        && letters.next().is_some_and(char::is_uppercase)
        && letters.next().is_some_and(char::is_lowercase);
    let name = name.to_lowercase();
    if sentence || ABBREVIATIONS.contains(&name.as_str()) {
        return false;
    }
    let ending = ending.to_lowercase();
    ending.starts_with("xn--")
        || (!ending.is_empty() && ending.chars().all(|c| c > '\u{24f}'))
        || RESERVED.contains(&ending.as_str())
        || psl::suffix(name.as_bytes()).is_some_and(|suffix| suffix.is_known())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_of_the_internet_makes_a_host_and_no_other_word_does() {
        for host in [
            "shop.com",
            "evil.lat",
            "evil.com.br",
            "EVIL.ZIP",
            "Evil.com",
            "evil.рф",
            "evil.xn--p1ai",
            "evil.中国",
            "help.shop.example",
            "main.rs",
            "README.md",
        ] {
            assert!(is_host(host), "{host}");
        }
        for word in [
            "node.js", "fim.Ou", "days.It", "dias.Se", "app.exe", "p.ex", "p.es", "Sig.na", "Gent.li",
            "c.ca", "n.ro", "e.g", "plain", "10.30h",
        ] {
            assert!(!is_host(word), "{word}");
        }
    }
}
