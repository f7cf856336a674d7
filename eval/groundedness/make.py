#!/usr/bin/env python3
"""Pairs of replies on the demo shop's documents, by rule: every right answer of `answers/*.tsv` (passage, question, answer; a
fourth column names kinds that do not fit) and a twin of it that the passage does not support. Writes `pt.jsonl` … beside this
file. The same answers give the same rows. Of the kinds that an answer allows, the one used least so far is taken."""
import json, pathlib, re
from tables import (
    ANTONYMS, CONDITIONS, DATES, ENTITIES, EXTRAS, FEMININE, FEMININE_UNITS, MODALITY, NEGATED, NEITHER, NUMBERS, OTHER_NUMBER,
    UNITS, YES,
)

HERE = pathlib.Path(__file__).parent
DOCUMENTS = HERE.parent / "demo" / "knowledge"


def passage(language, name):
    """The text under the n-th heading of a document (0: before the first), with the titles above it."""
    document, number = name.rsplit(".", 1)
    text = (DOCUMENTS / language / f"{document}.md").read_text(encoding="utf-8")
    title = re.search(r"^title: (.+)$", text, re.M).group(1)
    parts = re.split(r"^## (.+)\n", text.split("---\n", 2)[2], flags=re.M)
    number = int(number)
    heading = [title] if number == 0 else [title, parts[2 * number - 1]]
    return " – ".join(heading) + "\n\n" + parts[2 * number].strip()


def quantities(language, text):
    """Every number with a unit, as (match, value, unit, whether it is spelt out)."""
    words = NUMBERS[language]
    units = "|".join(sorted(map(re.escape, UNITS[language]), key=len, reverse=True))
    spelt = "|".join(sorted(words, key=len, reverse=True))
    for match in re.finditer(rf"\b(\d+(?:[.,]\d{{3}})?|{spelt}) ({units})\b", text, re.I):
        value = match[1].lower()
        yield match, words.get(value) or int(re.sub(r"\D", "", value)), match[2], value in words


def written(language, value, unit, spelt):
    spellings = [word for word, number in NUMBERS[language].items() if number == value]
    word = spellings[0] if spelt and spellings else str(value)
    word = FEMININE.get(language, {}).get(word, word) if unit in FEMININE_UNITS else word
    return f"{word} {unit}"


def replaced(text, match, new):
    new = new[0].upper() + new[1:] if match[0][0].isupper() else new
    return text[: match.start()] + new + text[match.end() :]


def number(language, answer, context):
    held = {(value, unit) for _, value, unit, _ in quantities(language, context)}
    for match, value, unit, spelt in quantities(language, answer):
        new = OTHER_NUMBER.get(value)
        if new and (new, unit) not in held:
            return replaced(answer, match, written(language, new, unit, spelt))


def other_value(language, answer, context):
    said = {(value, unit) for _, value, unit, _ in quantities(language, answer)}
    for match, value, unit, spelt in quantities(language, answer):
        for _, new, other, _ in quantities(language, context):
            if other == unit and value > 1 < new and (new, unit) not in said:
                return replaced(answer, match, written(language, new, unit, spelt))


def unit(language, answer, context):
    held = {(value, unit) for _, value, unit, _ in quantities(language, context)}
    for match, value, unit, spelt in quantities(language, answer):
        new = UNITS[language][unit]
        if new and (value, new) not in held:
            return replaced(answer, match, written(language, value, new, spelt))


def money(language, answer, context):
    match = re.search(r"(?<=R\$ )\d[\d.,]*\d|(?<=[£€])\d[\d.,]*\d|(?<=£)\d|\d[\d.,]*(?= (?:€|%))|\d+(?=%)", answer)
    if match:
        digit = int(match[0][0])
        new = str(digit + 2 if digit < 8 else digit - 3) + match[0][1:]
        if new not in context:
            return answer[: match.start()] + new + answer[match.end() :]


def by_table(table):
    """The first entry of a language's table that fits, its capital kept."""

    def rule(language, answer, context):
        for pattern, new in table[language]:
            match = re.search(pattern, answer, re.I)
            if match and match.expand(new).lower() != match[0].lower():
                new = match.expand(new)
                new = new[:1].upper() + new[1:] if match[0][0].isupper() else new
                return answer[: match.start()] + new + answer[match.end() :]

    return rule


def turned(answer, first, then):
    return then + answer[len(first) :] if answer.startswith(first) else answer


def negation_added(language, answer, context):
    if any(re.search(rf"\b{negated}\b", answer, re.I) for _, negated in NEGATED[language]):
        return None
    table = [(rf"\b{plain}\b", negated) for plain, negated in NEGATED[language]]
    twin = by_table({language: table})(language, answer, context)
    return twin and turned(twin.replace(" ed non ", " e non "), *YES[language])


def negation_removed(language, answer, context):
    table = [(rf"\b{negated}\b", plain) for plain, negated in NEGATED[language]]
    twin = by_table({language: table})(language, answer, context)
    return twin and turned(twin.replace(*NEITHER[language]), *reversed(YES[language]))


def extra(language, answer, context):
    claims = EXTRAS[language]
    return f"{answer} {claims[sum(map(ord, answer)) % len(claims)]}"


RULES = {
    "other_value": other_value, "money": money, "date": by_table(DATES), "entity": by_table(ENTITIES),
    "negation_removed": negation_removed, "negation_added": negation_added, "antonym": by_table(ANTONYMS),
    "condition": by_table(CONDITIONS), "modality": by_table(MODALITY), "unit": unit, "number": number, "extra": extra,
}

for language in ("pt", "it", "es", "en"):
    used, rows = dict.fromkeys(RULES, 0), []
    for line in (HERE / "answers" / f"{language}.tsv").read_text(encoding="utf-8").splitlines():
        name, question, answer, *unfit = line.split("\t")
        context = passage(language, name)
        fit = {kind: rule for kind, rule in RULES.items() if kind not in " ".join(unfit).split()}
        twins = {kind: rule(language, answer, context) for kind, rule in fit.items()}
        kind = min((kind for kind in twins if twins[kind]), key=lambda kind: used[kind])
        used[kind] += 1
        pair = (("a", answer, "grounded", "answer"), ("b", twins[kind], "hallucinated", kind))
        for letter, response, label, made in pair:
            rows.append({
                "id": f"ground-{language}-{len(rows) // 2 + 1:03}{letter}", "lang": language, "context": context,
                "question": question, "response": response, "label": label, "kind": made,
            })
    with (HERE / f"{language}.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    print(language, len(rows), {kind: count for kind, count in used.items() if count})
