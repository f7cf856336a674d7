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
/// The product over all tokens is no more than the probability of the answer among the two: a local model's tokens are
/// weighed among those of the form alone, a hosted model's among all. The likelier of two was written, so it has at least one half.
pub fn probability(answer: &Completion) -> Option<f64> {
    let yes = verdict(answer)?;
    let sure = answer
        .logprobs
        .as_ref()
        .map_or(1.0, |logprobs| logprobs.iter().copied().map(f64::from).sum::<f64>().exp().clamp(0.5, 1.0));
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

/// The answer of a model that keeps to the form, or of one that writes something around it; `None` where it is neither yes
/// nor no.
pub fn verdict(answer: &Completion) -> Option<bool> {
    let text = answer.text.as_str();
    let (start, end) = (text.find('{')?, text.rfind('}')?);
    let value: Value = serde_json::from_str(text.get(start..=end)?).ok()?;
    match value["verdict"].as_str()?.to_lowercase().as_str() {
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
        let both = |share: f32| {
            let logprobs = Some(vec![0.0, share.ln(), 0.0]);
            [r#"{"verdict": "yes"}"#, r#"{"verdict": "no"}"#]
                .map(|text| probability(&answer(text, logprobs.clone())).unwrap())
        };
        let [yes, no] = both(0.75);
        assert!((yes - 0.75).abs() < 1e-6 && (no - 0.25).abs() < 1e-6, "{yes} {no}");
        let even = |share: f64| (share - 0.5).abs() < 1e-9;
        assert!(both(0.2).into_iter().all(even), "a form that the model was not sure of");
        assert_eq!(probability(&answer(r#"{"verdict": "yes"}"#, Some(vec![0.1]))), Some(1.0), "rounding");
    }
}
