//! The chat template of a model: messages to prompt.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, Value, context};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::error::LoadError;
use crate::inference::{ChatMessage, ChatRole};

const NAME: &str = "chat_template";

/// A template in the dialect of Hugging Face's `apply_chat_template`: Jinja with Python's string methods,
/// `raise_exception`, blocks trimmed.
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
    /// Whether the template has no place for a system message (Mistral 7B, Gemma 2): it raises an exception, or leaves
    /// it out.
    folds_system: bool,
}

impl ChatTemplate {
    /// Compiles `source` and renders it once, so that a template that cannot work is refused at start.
    pub fn new(source: &str, bos: String, eos: String) -> Result<Self, LoadError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(|error| LoadError::Template(error.to_string()))?;
        environment.set_syntax(syntax);
        environment.set_unknown_method_callback(unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        });
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| LoadError::Template(error.to_string()))?;
        let mut template = Self { environment, bos, eos, folds_system: false };
        let question = ChatMessage { role: ChatRole::User, content: "?".into() };
        template.render(std::slice::from_ref(&question))?;
        let instruction = ChatMessage { role: ChatRole::System, content: "instruction".into() };
        let shown = template.render(&[instruction.clone(), question]);
        template.folds_system = !shown.is_ok_and(|prompt| prompt.contains(&instruction.content));
        Ok(template)
    }

    /// The prompt up to where the model's reply begins. Where the template has no place for a system message, it stands
    /// before the first words of the user.
    pub fn render(&self, messages: &[ChatMessage]) -> Result<String, LoadError> {
        match messages {
            [system, user, rest @ ..]
                if self.folds_system && (system.role, user.role) == (ChatRole::System, ChatRole::User) =>
            {
                let content = format!("{}\n\n{}", system.content, user.content);
                let first = ChatMessage { role: ChatRole::User, content };
                self.render_as_is(&[std::slice::from_ref(&first), rest].concat())
            }
            _ => self.render_as_is(messages),
        }
    }

    fn render_as_is(&self, messages: &[ChatMessage]) -> Result<String, LoadError> {
        let fail = |error: minijinja::Error| LoadError::Template(error.to_string());
        let messages: Vec<Value> = messages
            .iter()
            .map(|message| context! { role => role(message.role), content => message.content.as_str() })
            .collect();
        self.environment
            .get_template(NAME)
            .map_err(fail)?
            .render(context! {
                messages => messages,
                add_generation_prompt => true,
                // Qwen3 would otherwise think aloud before it answers.
                enable_thinking => false,
                bos_token => self.bos.as_str(),
                eos_token => self.eos.as_str(),
            })
            .map_err(fail)
    }
}

fn role(role: ChatRole) -> &'static str {
    match role {
        ChatRole::System => "system",
        ChatRole::User => "user",
        ChatRole::Assistant => "assistant",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: ChatRole, content: &str) -> ChatMessage {
        ChatMessage { role, content: content.into() }
    }

    #[test]
    fn renders_roles_and_special_tokens_with_trimmed_blocks() {
        let source = "{{ bos_token }}{% for message in messages %}\n  {% if message['role'] == 'user' %}\nU:{{ message.content.strip() }}\n  {% endif %}\n{% endfor %}\n{% if add_generation_prompt %}A:{% endif %}";
        let template = ChatTemplate::new(source, "<s>".into(), "</s>".into()).unwrap();
        let prompt =
            template.render(&[message(ChatRole::Assistant, "no"), message(ChatRole::User, " oi ")]).unwrap();
        assert_eq!(prompt, "<s>U:oi\nA:");
    }

    #[test]
    fn instructions_reach_a_model_whose_template_has_no_place_for_them() {
        let conversation = [
            message(ChatRole::System, "be kind"),
            message(ChatRole::User, "oi"),
            message(ChatRole::Assistant, "olá"),
            message(ChatRole::User, "sim"),
        ];
        let turns = "{% for m in messages %}{{ m.role }}:{{ m.content }}|{% endfor %}";
        let deaf = "{% for m in messages %}{% if m.role != 'system' %}{{ m.role }}:{{ m.content }}|{% endif %}{% endfor %}";
        let strict = format!(
            "{{% if messages[0].role == 'system' %}}{{{{ raise_exception('no') }}}}{{% endif %}}{turns}"
        );
        let folded = "user:be kind\n\noi|assistant:olá|user:sim|";
        for (source, expected) in
            [(turns, "system:be kind|user:oi|assistant:olá|user:sim|"), (deaf, folded), (&strict, folded)]
        {
            let template = ChatTemplate::new(source, String::new(), String::new()).unwrap();
            assert_eq!(template.render(&conversation).unwrap(), expected, "{source}");
        }
    }

    #[test]
    fn a_template_in_the_manner_of_gemma_renders() {
        let source = "{{ bos_token }}\
            {%- if messages[0]['role'] == 'system' -%}\
                {%- if messages[0]['content'] is string -%}\
                    {%- set prefix = messages[0]['content'] + '\n\n' -%}\
                {%- else -%}\
                    {%- set prefix = messages[0]['content'][0]['text'] -%}\
                {%- endif -%}\
                {%- set turns = messages[1:] -%}\
            {%- else -%}\
                {%- set prefix = '' -%}\
                {%- set turns = messages -%}\
            {%- endif -%}\
            {%- for turn in turns -%}\
                {%- if (turn['role'] == 'user') != (loop.index0 % 2 == 0) -%}\
                    {{ raise_exception('roles must alternate') }}\
                {%- endif -%}\
                {{ '<start_of_turn>' + ('model' if turn['role'] == 'assistant' else turn['role']) + '\n' + (prefix if loop.first else '') }}\
                {{- turn['content'] | trim + '<end_of_turn>\n' -}}\
            {%- endfor -%}\
            {%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}";
        let template = ChatTemplate::new(source, "<bos>".into(), "<eos>".into()).unwrap();
        let prompt = template
            .render(&[message(ChatRole::System, "be kind"), message(ChatRole::User, " oi ")])
            .unwrap();
        assert_eq!(prompt, "<bos><start_of_turn>user\nbe kind\n\noi<end_of_turn>\n<start_of_turn>model\n");
    }

    #[test]
    fn a_template_that_raises_says_why() {
        let source = "{% if messages|length > 1 %}{{ raise_exception('one message only') }}{% endif %}";
        let template = ChatTemplate::new(source, String::new(), String::new()).unwrap();
        let messages = [message(ChatRole::User, "a"), message(ChatRole::User, "b")];
        let error = template.render(&messages).unwrap_err().to_string();
        assert!(error.contains("one message only"), "{error}");
    }

    #[test]
    fn a_broken_template_is_refused_at_start() {
        assert!(matches!(
            ChatTemplate::new("{% for %}", String::new(), String::new()),
            Err(LoadError::Template(_))
        ));
        assert!(matches!(
            ChatTemplate::new("{{ unknown() }}", String::new(), String::new()),
            Err(LoadError::Template(_))
        ));
    }
}
