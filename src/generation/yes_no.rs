//! Questions that a chat model answers with yes or no, as `{"verdict": "yes"}`, and how probable it finds the yes.

use serde_json::{Value, json};

use crate::inference::{ChatOptions, Completion};

/// Tokens that an answer may take, with a few around it from a model that does not keep to the form.
const MAX_TOKENS: usize = 24;

/// How such a question is asked.
pub fn options() -> ChatOptions {
    ChatOptions { max_tokens: MAX_TOKENS, schema: Some(schema()), logprobs: true, ..ChatOptions::default() }
}

/// The probability of yes, 0 to 1: by the log-probabilities of the answer where the backend gives them, else 1 or 0. `None`
/// where the answer is neither yes nor no.
///
/// A local model can write nothing but the form, so the probabilities of all tokens but the answer's are 1, and the product
/// of all is that of the answer among the two.
pub fn probability(answer: &Completion) -> Option<f64> {
    let yes = verdict(&answer.text)?;
    let sure = answer
        .logprobs
        .as_ref()
        .map_or(1.0, |logprobs| logprobs.iter().copied().map(f64::from).sum::<f64>().exp().clamp(0.0, 1.0));
    Some(if yes { sure } else { 1.0 - sure })
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": { "verdict": { "enum": ["yes", "no"] } },
        "required": ["verdict"],
        "additionalProperties": false,
    })
}

/// The answer of a model that keeps to the form, or of one that writes something around it.
fn verdict(text: &str) -> Option<bool> {
    let (start, end) = (text.find('{')?, text.rfind('}')?);
    let answer: Value = serde_json::from_str(text.get(start..=end)?).ok()?;
    match answer["verdict"].as_str()?.to_lowercase().as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::{FinishReason, ModelInfo, TokenUsage};

    fn answer(text: &str, logprobs: Option<Vec<f32>>) -> Completion {
        let name = String::new;
        Completion {
            text: text.into(),
            finish: FinishReason::Stop,
            usage: TokenUsage::default(),
            logprobs,
            model: ModelInfo { backend: name(), model: name(), fingerprint: name(), context_length: 0 },
        }
    }

    #[test]
    fn only_a_yes_or_a_no_counts() {
        let right = [r#"{"verdict": "yes"}"#, "```json\n{\"verdict\":\"No\"}\n```"];
        assert_eq!(right.map(|text| probability(&answer(text, None))), [Some(1.0), Some(0.0)]);
        let others = [r#"{"verdict": "maybe"}"#, r#"{"verdict": true}"#, "}{", "yes", "", r#"{"verdict"#];
        assert_eq!(others.map(|text| probability(&answer(text, Some(vec![-0.1])))), [None; 6]);
    }

    #[test]
    fn a_yes_and_a_no_as_sure_as_each_other_lie_as_far_from_one_half() {
        let quarter = Some(vec![0.0, 0.25_f32.ln(), 0.0]);
        let yes = probability(&answer(r#"{"verdict": "yes"}"#, quarter.clone())).unwrap();
        let no = probability(&answer(r#"{"verdict": "no"}"#, quarter)).unwrap();
        assert!((yes - 0.25).abs() < 1e-6 && (no - 0.75).abs() < 1e-6, "{yes} {no}");
        assert_eq!(probability(&answer(r#"{"verdict": "yes"}"#, Some(vec![0.1]))), Some(1.0), "rounding");
    }
}
