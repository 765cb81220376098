//! Random bytes.

/// Gives random bytes.
pub trait Entropy: Send + Sync {
    /// Fills the buffer with bytes fit for keys and nonces.
    fn fill(&self, buffer: &mut [u8]);

    /// 128 random bits.
    fn bits(&self) -> u128 {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        u128::from_be_bytes(bytes)
    }
}

/// The generator of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::expect_used, reason = "without random bytes no key or nonce is safe to use")]
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the machine gives random bytes");
    }
}
