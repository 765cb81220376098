use crate::message::Leaf;
/// Canonical bytes of a leaf.
pub fn canonical(_leaf: &Leaf) -> Vec<u8> {
    todo!()
}
/// Head of the chain: hash over (previous head, leaf). Start: all zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainHead(pub [u8; 32]);
impl ChainHead {
    pub fn next(self, _leaf: &Leaf) -> Self {
        todo!()
    }
}
