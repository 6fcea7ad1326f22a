//! Named points between two steps, where a test may end the process.

/// A point that work passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::enum_variant_names, reason = "each is a point after a step")]
pub enum Point {
    /// A refund was committed, the caller has no answer yet.
    AfterCreate,
    /// A refund was claimed.
    AfterClaim,
    /// The order was looked at.
    AfterPreflight,
    /// The intent was committed, no byte has left.
    AfterIntent,
    /// The provider answered, nothing is recorded.
    AfterAnswer,
    /// A lookup answered, nothing is recorded.
    AfterLookup,
    /// The answer is recorded.
    AfterRecord,
}

impl Point {
    /// Every one.
    pub const ALL: &'static [Self] = &[
        Self::AfterCreate,
        Self::AfterClaim,
        Self::AfterPreflight,
        Self::AfterIntent,
        Self::AfterAnswer,
        Self::AfterLookup,
        Self::AfterRecord,
    ];

    /// Its name in the configuration of a test.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AfterCreate => "after_create",
            Self::AfterClaim => "after_claim",
            Self::AfterPreflight => "after_preflight",
            Self::AfterIntent => "after_intent",
            Self::AfterAnswer => "after_answer",
            Self::AfterLookup => "after_lookup",
            Self::AfterRecord => "after_record",
        }
    }
}

/// Is told of each point passed, and may not return.
pub trait Interrupt: Send + Sync + 'static {
    /// Work passes this point.
    fn at(&self, point: Point);
}

/// Never interrupts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Uninterrupted;

impl Interrupt for Uninterrupted {
    fn at(&self, _point: Point) {}
}
