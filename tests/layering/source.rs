//! What a source file refers to, found in its text.

use std::collections::BTreeMap;

/// A path that a file names.
pub struct Reference {
    /// From `crate` or the name of another crate, joined by `::`.
    pub path: String,
    /// The name that it has here: its last segment, or what follows `as`.
    pub name: String,
    /// Where it begins.
    pub line: usize,
    /// Whether it stands in a `use`.
    pub import: bool,
    /// Whether that `use` is public in any way.
    pub exported: bool,
    /// Whether its first segment was an import's name, which `path` has in full.
    pub through_import: bool,
}

/// What matters of one file.
pub struct Source {
    /// Its path in the repository.
    pub file: String,
    /// Its module, such as `crate::plan::graph`; `main` for the binary.
    pub module: String,
    /// Every path of more than one segment, and every import.
    pub references: Vec<Reference>,
    /// Every method called, and where.
    pub calls: Vec<(String, usize)>,
    /// Attributes that silence a lint without a reason, and where.
    pub bad_attributes: Vec<(String, usize)>,
}

#[derive(Clone)]
struct Token {
    text: String,
    line: usize,
}

impl Token {
    fn is_name(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

impl Source {
    /// Reads the text of a file.
    pub fn read(file: &str, text: &str) -> Self {
        let tokens = tokens(text);
        let module = module_of(file);
        let children = (0..tokens.len())
            .filter(|&i| text_at(&tokens, i) == "mod" && text_at(&tokens, i + 2) == ";")
            .map(|i| text_at(&tokens, i + 1).to_owned())
            .collect();
        let mut reader = Reader { tokens: &tokens, at: 0, modules: vec![], depth: 0, module, children, found: vec![] };
        reader.read_all();
        let (module, mut references) = (reader.module, reader.found);
        let imported: BTreeMap<String, String> =
            references.iter().filter(|r| r.import && r.name != "*").map(|r| (r.name.clone(), r.path.clone())).collect();
        for reference in references.iter_mut().filter(|reference| !reference.import) {
            let (first, rest) = reference.path.split_once("::").unwrap_or((&reference.path, ""));
            if let Some(full) = imported.get(first).filter(|full| *full != first) {
                reference.path = format!("{full}::{rest}");
                reference.through_import = true;
            }
        }
        let calls = tokens
            .windows(3)
            .filter(|w| w[0].text == "." && w[1].is_name() && w[2].text == "(")
            .map(|w| (w[1].text.clone(), w[1].line))
            .collect();
        let bad_attributes = bad_attributes(&tokens);
        Self { file: file.to_owned(), module, references, calls, bad_attributes }
    }
}

fn module_of(file: &str) -> String {
    match file.strip_prefix("src/").unwrap_or(file).trim_end_matches(".rs").trim_end_matches("/mod") {
        "lib" => "crate".to_owned(),
        "main" => "main".to_owned(),
        path => format!("crate::{}", path.replace('/', "::")),
    }
}

fn text_at(tokens: &[Token], index: usize) -> &str {
    tokens.get(index).map_or("", |token| token.text.as_str())
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    /// Inline modules that are open, with the depth of braces in which each began.
    modules: Vec<(String, usize)>,
    depth: usize,
    module: String,
    /// Modules that the file declares and that have files of their own.
    children: Vec<String>,
    found: Vec<Reference>,
}

impl Reader<'_> {
    fn peek(&self) -> &str {
        text_at(self.tokens, self.at)
    }

    fn read_all(&mut self) {
        while let Some(token) = self.tokens.get(self.at) {
            let next = text_at(self.tokens, self.at + 1);
            match token.text.as_str() {
                "mod" if text_at(self.tokens, self.at + 2) == "{" => {
                    self.modules.push((next.to_owned(), self.depth));
                    self.depth += 1;
                    self.at += 3;
                }
                "{" => {
                    self.depth += 1;
                    self.at += 1;
                }
                "}" => {
                    self.depth = self.depth.saturating_sub(1);
                    self.modules.pop_if(|(_, depth)| *depth == self.depth);
                    self.at += 1;
                }
                "use" if next != "<" => {
                    let before = self.at.checked_sub(1).map_or("", |at| text_at(self.tokens, at));
                    let exported = before == "pub" || before == ")";
                    self.at += 1;
                    self.read_import(&[], exported);
                }
                _ if token.is_name() => {
                    let (line, mut path) = (token.line, vec![token.text.clone()]);
                    self.at += 1;
                    while self.peek() == "::" && self.tokens.get(self.at + 1).is_some_and(Token::is_name) {
                        path.push(text_at(self.tokens, self.at + 1).to_owned());
                        self.at += 2;
                    }
                    if path.len() > 1 {
                        self.record(&path, None, line, (false, false));
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    /// Reads one tree of a `use`, up to the `,`, `}` or `;` that ends it.
    fn read_import(&mut self, prefix: &[String], exported: bool) {
        let mut path = prefix.to_vec();
        while let Some(token) = self.tokens.get(self.at).cloned() {
            self.at += 1;
            match token.text.as_str() {
                "::" => {}
                "{" => {
                    while !["}", ""].contains(&self.peek()) {
                        self.read_import(&path, exported);
                        if self.peek() == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                segment => {
                    if segment != "self" || path.is_empty() {
                        path.push(segment.to_owned());
                    }
                    if self.peek() == "::" {
                        continue;
                    }
                    let mut alias = None;
                    if self.peek() == "as" {
                        alias = Some(text_at(self.tokens, self.at + 1).to_owned());
                        self.at += 2;
                    }
                    self.record(&path, alias, token.line, (true, exported));
                    return;
                }
            }
        }
    }

    fn record(&mut self, path: &[String], alias: Option<String>, line: usize, (import, exported): (bool, bool)) {
        let inline: Vec<&str> = self.modules.iter().map(|(name, _)| name.as_str()).collect();
        let mut base: Vec<&str> = self.module.split("::").chain(inline).collect();
        let mut rest = path.iter().map(String::as_str).peekable();
        match path[0].as_str() {
            "crate" => {
                base = vec!["crate"];
                rest.next();
            }
            "lab" if self.module == "main" => {
                base = vec!["crate"];
                rest.next();
            }
            "self" => {
                rest.next();
            }
            "super" => {
                while rest.next_if_eq(&"super").is_some() {
                    base.pop();
                }
            }
            child if self.children.iter().any(|name| name == child) => {}
            _ => base.clear(),
        }
        base.extend(rest);
        let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
        self.found.push(Reference { path: base.join("::"), name, line, import, exported, through_import: false });
    }
}

/// Attributes with `allow(`, and with `expect(` but no `reason`.
fn bad_attributes(tokens: &[Token]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let open = at + 1 + usize::from(text_at(tokens, at + 1) == "!");
        if text_at(tokens, at) != "#" || text_at(tokens, open) != "[" {
            at += 1;
            continue;
        }
        let mut depth = 0;
        let length = tokens[open..].iter().take_while(|token| {
            depth += i32::from(token.text == "[") - i32::from(token.text == "]");
            depth > 0
        });
        let attribute = &tokens[open..open + length.count()];
        let calls = |name: &str| attribute.windows(2).any(|w| w[0].text == name && w[1].text == "(");
        if calls("allow") {
            found.push(("#[allow(...)]: use #[expect(..., reason = \"...\")]".to_owned(), tokens[at].line));
        } else if calls("expect") && !attribute.iter().any(|token| token.text == "reason") {
            found.push(("#[expect(...)] without a reason".to_owned(), tokens[at].line));
        }
        at = open + attribute.len();
    }
    found
}

/// Splits Rust source into names, `::` and single characters, without comments, strings, characters and lifetimes.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    let get = |index: usize| chars.get(index).copied().unwrap_or('\0');
    while at < chars.len() {
        let start = at;
        let c = chars[at];
        let raw = raw_string(&chars, at);
        if c == '/' && get(at + 1) == '/' {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if c == '/' && get(at + 1) == '*' {
            let mut depth = 0_usize;
            loop {
                match (get(at), get(at + 1)) {
                    ('/', '*') => (depth, at) = (depth + 1, at + 2),
                    ('*', '/') => (depth, at) = (depth - 1, at + 2),
                    _ => at += 1,
                }
                if depth == 0 || at >= chars.len() {
                    break;
                }
            }
        } else if let Some(end) = raw {
            at = end;
        } else if c == '"' {
            at += 1;
            while at < chars.len() && chars[at] != '"' {
                at += 1 + usize::from(chars[at] == '\\');
            }
            at += 1;
        } else if c == '\'' {
            if get(at + 1) == '\\' {
                at += 3;
                while at < chars.len() && chars[at] != '\'' {
                    at += 1;
                }
                at += 1;
            } else if get(at + 2) == '\'' {
                at += 3;
            } else {
                at += 1;
                while get(at).is_alphanumeric() || get(at) == '_' {
                    at += 1;
                }
            }
        } else if c.is_alphanumeric() || c == '_' {
            while get(at).is_alphanumeric() || get(at) == '_' {
                at += 1;
            }
            tokens.push(Token { text: chars[start..at].iter().collect(), line });
        } else {
            at += if c == ':' && get(at + 1) == ':' { 2 } else { 1 };
            if !c.is_whitespace() {
                tokens.push(Token { text: chars[start..at].iter().collect(), line });
            }
        }
        line += chars[start..at.min(chars.len())].iter().filter(|&&c| c == '\n').count();
    }
    tokens
}

/// Where the raw string that begins here ends, if one does.
fn raw_string(chars: &[char], at: usize) -> Option<usize> {
    let prefix = chars[at..].iter().take_while(|c| c.is_ascii_lowercase()).count();
    let word: String = chars[at..at + prefix].iter().collect();
    let hashes = chars[at + prefix..].iter().take_while(|&&c| c == '#').count();
    let open = at + prefix + hashes;
    if !["r", "br", "cr"].contains(&word.as_str()) || chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |&end: &usize| {
        chars[end] == '"' && chars[end + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes
    };
    Some((open + 1..chars.len()).find(closes).map_or(chars.len(), |end| end + 1 + hashes))
}
