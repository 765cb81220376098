//! The nearest known name, for suggestions.

/// The candidate nearest to `name`, where one is near enough to be what was meant.
///
/// Near enough is a third of the name's letters, at least one; letters swapped count once,
/// case does not count.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Longer names are not compared: the work grows with the square of the length.
    const LETTERS_MAX: usize = 80;
    let name: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
    if name.is_empty() || name.len() > LETTERS_MAX {
        return None;
    }
    let limit = (name.len() / 3).max(1);
    candidates
        .into_iter()
        .filter(|c| c.len() <= LETTERS_MAX)
        .map(|c| {
            let letters: Vec<char> = c.chars().flat_map(char::to_lowercase).collect();
            (distance(&name, &letters), c)
        })
        .filter(|(steps, _)| *steps <= limit)
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, c)| c)
}

/// Letters to insert, remove, replace or swap with their neighbor.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |cells: &[usize], place: usize| cells.get(place).copied().unwrap_or(0);
            let mut steps =
                (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                steps = steps.min(at(&before, j - 1) + 1);
            }
            row.push(steps);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let check = |name, expected: Option<&str>| {
            assert_eq!(nearest(name, ["on_unknown", "on_deny", "type", "url"]), expected, "{name}");
        };
        check("on_unknwon", Some("on_unknown"));
        check("tpye", Some("type"));
        check("Type", Some("type"));
        check("ulr", Some("url"));
        check("on_dney", Some("on_deny"));
        check("retry", None);
        check("", None);
        check(&"x".repeat(1000), None);
    }
}
