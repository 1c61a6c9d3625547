//! How wide a text is when it is drawn, without asking a font.

/// Widths of `DejaVu` Sans in thousandths of the font size. It is wider than what most machines use instead, so a box that is wide enough
/// by these numbers is wide enough there too.
fn thousandths(c: char) -> i32 {
    match c {
        'i' | 'j' | 'l' | '\'' | '|' => 290,
        ' ' | ',' | '.' | ':' | ';' | '/' | '(' | ')' | '-' | 'f' | 'r' | 't' | 'I' => 420,
        'm' | 'M' | 'W' | '@' | '%' => 1000,
        'w' => 830,
        'A'..='Z' | '_' => 790,
        'a'..='z' | '0'..='9' => 640,
        // Whatever it is: as wide as it is high.
        _ => 1000,
    }
}

/// Width in pixels at that font size; bold texts are a seventh wider.
pub(super) fn text_width(text: &str, size: i32, bold: bool) -> i32 {
    let sum: i32 = text.chars().map(thousandths).fold(0, i32::saturating_add);
    let width = sum.saturating_mul(size) / 1000 + 1;
    if bold { width + width / 7 } else { width }
}
