//! Reads Markdown: headings, links and code blocks.

use std::collections::BTreeMap;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A file.
pub struct Page {
    /// Relative to the repository.
    pub path: String,
    /// What its headings are called in links.
    pub anchors: Vec<String>,
    links: Vec<String>,
    /// Code blocks: the language with what follows it, and the text.
    pub blocks: Vec<(String, String)>,
}

impl Page {
    pub fn new(path: &str, text: &str) -> Self {
        let mut page = Self { path: path.to_owned(), anchors: Vec::new(), links: Vec::new(), blocks: Vec::new() };
        let mut heading = None;
        let mut block = None;
        for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let anchor = anchor(&heading.take().unwrap_or_default());
                    let same = page.anchors.iter().filter(|a| **a == anchor).count();
                    page.anchors.push(if same == 0 { anchor } else { format!("{anchor}-{same}") });
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(dest_url.to_string());
                }
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    block = Some((info.to_string(), String::new()));
                }
                Event::End(TagEnd::CodeBlock) => page.blocks.extend(block.take()),
                Event::Text(text) | Event::Code(text) => {
                    if let Some((_, block)) = &mut block {
                        block.push_str(&text);
                    } else if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        page
    }

    /// The files that it links to, relative to the repository.
    pub fn targets(&self) -> Vec<String> {
        self.links.iter().filter_map(|link| resolve(&self.path, link)).map(|(path, _)| path).collect()
    }
}

/// The name that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The file and the anchor that a link on a page means; `None` for what is not in the repository.
fn resolve(page: &str, link: &str) -> Option<(String, Option<String>)> {
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor.to_owned())));
    if file.is_empty() {
        return Some((page.to_owned(), anchor));
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            "." | "" => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    Some((parts.join("/"), anchor))
}

/// The links that lead nowhere.
pub fn faults(pages: &[Page], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let anchors: BTreeMap<&str, &[String]> = pages.iter().map(|p| (p.path.as_str(), p.anchors.as_slice())).collect();
    let leads = |page: &Page, link: &str| {
        let Some((path, anchor)) = resolve(&page.path, link) else { return false };
        match (anchors.get(path.as_str()), anchor) {
            (Some(anchors), Some(anchor)) => anchors.contains(&anchor),
            (Some(_), None) => true,
            (None, anchor) => anchor.is_none() && exists(&path),
        }
    };
    let links = pages.iter().flat_map(|page| page.links.iter().map(move |link| (page, link)));
    let inside = links.filter(|(_, link)| !link.contains("://") && !link.starts_with("mailto:"));
    inside
        .filter(|(page, link)| !leads(page, link))
        .map(|(page, link)| format!("{}: {link} leads nowhere", page.path))
        .collect()
}
