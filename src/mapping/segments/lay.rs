//! Puts segments in the order of the target structure.
//!
//! A group stands once for each segment that begins it; any other segment of the group goes
//! with the beginning that was made from the nearest place before its own in the input. So
//! orders keep their own details, whichever rules made them.

use super::super::structure::Structure;
use super::Home;

/// A segment to be laid out.
pub(super) struct Piece {
    pub home: Home,
    /// Place in the input it was made from.
    pub from: (usize, usize),
    pub bytes: Vec<u8>,
}

/// Lays segments out.
pub(super) fn lay(structure: &Structure, mut pieces: Vec<Piece>) -> Vec<Piece> {
    // Stable: what was made from one place keeps the order of the rules.
    pieces.sort_by_key(|piece| piece.from);
    let mut out = Vec::with_capacity(pieces.len());
    group(structure, 0, pieces, &mut out);
    out
}

/// Lays out one instance of a group. Structures nest a few levels deep, never further.
fn group(structure: &Structure, at: u16, mut pieces: Vec<Piece>, out: &mut Vec<Piece>) {
    let mut child = at + 1;
    while child < structure.end(at) {
        let end = structure.end(child);
        let inside = |piece: &Piece| match piece.home {
            Home::Leaf(node) => node >= child && node < end,
            Home::End(node) => structure.is_group(child) && node >= child && node < end,
        };
        let (mine, rest): (Vec<Piece>, Vec<Piece>) = pieces.into_iter().partition(inside);
        pieces = rest;
        if !structure.is_group(child) {
            out.extend(mine);
        } else if !mine.is_empty() {
            for instance in instances(structure, child, mine) {
                group(structure, child, instance, out);
            }
        }
        child = end;
    }
    out.extend(pieces);
}

/// Divides the segments of a group into its instances.
fn instances(structure: &Structure, at: u16, pieces: Vec<Piece>) -> Vec<Vec<Piece>> {
    let leaf = |piece: &Piece| match piece.home {
        Home::Leaf(node) => Some(node),
        Home::End(_) => None,
    };
    let Some(first) = pieces.iter().filter_map(leaf).min() else { return vec![pieces] };
    if !structure.repeats(at) {
        return vec![pieces];
    }
    let mut begins: Vec<(usize, usize)> =
        pieces.iter().filter(|piece| leaf(piece) == Some(first)).map(|piece| piece.from).collect();
    begins.dedup();
    let mut all: Vec<Vec<Piece>> = begins.iter().map(|_| Vec::new()).collect();
    for piece in pieces {
        let before = begins.partition_point(|begin| *begin <= piece.from);
        if let Some(instance) = all.get_mut(before.saturating_sub(1)) {
            instance.push(piece);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7v2::tables::Site;

    #[test]
    fn segments_go_with_the_nearest_beginning_before_them() {
        let structure = Structure::find("2.5.1", "ORL_O22", Site::NONE).unwrap();
        let check = |made: &str, expected: &str| {
            let pieces = made.split(' ').map(|word| {
                let (id, from) = word.split_once('@').unwrap();
                let leaf = structure.leaves(0, id).next();
                let order = structure.group("ORDER").unwrap();
                let home = leaf.map_or(Home::End(order), Home::Leaf);
                Piece { home, from: (from.parse().unwrap(), 0), bytes: word.into() }
            });
            let laid = lay(&structure, pieces.collect());
            let shown: Vec<String> =
                laid.into_iter().map(|piece| String::from_utf8(piece.bytes).unwrap()).collect();
            assert_eq!(shown.join(" "), expected);
        };
        check("OBR@4 ORC@3 PID@2", "PID@2 ORC@3 OBR@4");
        check(
            "ORC@3 ORC@6 OBR@4 OBR@7 SPM@5 SPM@8 SPM@9 PID@1 NTE@0",
            "NTE@0 PID@1 ORC@3 OBR@4 SPM@5 ORC@6 OBR@7 SPM@8 SPM@9",
        );
        check("ORC@3 ORC@6 ZAA@3 ZAA@7 OBR@1", "ORC@3 OBR@1 ZAA@3 ORC@6 ZAA@7");
        check("OBR@4 OBR@7", "OBR@4 OBR@7");
    }
}
