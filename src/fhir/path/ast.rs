//! What a path is made of, and the table of its functions.

use super::moment::Moment;
use super::quantity::Quantity;
use rust_decimal::Decimal;

/// An expression: a start and steps from it, or others joined by an operator.
pub(super) enum Expression {
    Path {
        start: Start,
        steps: Vec<Step>,
    },
    Binary {
        left: Box<Expression>,
        operator: Operator,
        right: Box<Expression>,
    },
    /// `-x`, `+x`
    Sign {
        minus: bool,
        value: Box<Expression>,
    },
    /// `x is T`
    Is {
        value: Box<Expression>,
        ty: TypeName,
    },
    /// `x as T`
    As {
        value: Box<Expression>,
        ty: TypeName,
    },
}

/// A type by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TypeName {
    /// One of R4.
    Fhir(&'static str),
    /// One of FHIRPath itself.
    System(SystemType),
    /// One that `System` does not have, so that nothing is of it.
    Nothing,
}

/// Types of FHIRPath itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SystemType {
    Boolean,
    String,
    Integer,
    Decimal,
    Date,
    DateTime,
    Time,
    Quantity,
    Any,
}

impl SystemType {
    /// All of them by name.
    pub const NAMES: [(&'static str, Self); 9] = [
        ("Boolean", Self::Boolean),
        ("String", Self::String),
        ("Integer", Self::Integer),
        ("Decimal", Self::Decimal),
        ("Date", Self::Date),
        ("DateTime", Self::DateTime),
        ("Time", Self::Time),
        ("Quantity", Self::Quantity),
        ("Any", Self::Any),
    ];

    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, ty)| *ty == self).map_or("Any", |(name, _)| name)
    }
}

/// Where a path starts.
pub(super) enum Start {
    /// What the expression is applied to.
    This,
    /// `$this`, said aloud.
    Named,
    /// `$index`
    Index,
    /// `$total`
    Total,
    /// Resources of a type.
    Type(&'static str),
    /// `%name` with its place.
    Variable(String, usize),
    Text(String),
    Moment(Moment),
    Number(Decimal),
    Integer(i64),
    Quantity(Quantity),
    Bool(bool),
    Empty,
    /// An expression in parentheses.
    Group(Box<Expression>),
}

/// One step of a path.
pub(super) enum Step {
    /// A member, with the place of its name.
    Member(String, usize),
    Index(Box<Expression>),
    Call(Call),
    /// `ofType(T)`
    OfType(TypeName),
    /// `as(T)`
    As(TypeName),
    /// `is(T)`
    Is(TypeName),
    /// An expression in parentheses after a dot, applied to each item.
    Each(Expression),
}

/// A function with what it is given.
pub(super) struct Call {
    pub function: Function,
    pub name: &'static str,
    pub with: Vec<Expression>,
    /// The pattern of `matches` and its kin, when it is a literal.
    pub pattern: Option<regex::Regex>,
    /// Byte of its name in the text.
    pub at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Union,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    Equivalent,
    NotEquivalent,
    In,
    Contains,
    And,
    Or,
    Xor,
    Implies,
    Plus,
    Minus,
    Times,
    Divided,
    Div,
    Mod,
    Joined,
}

/// Declares the functions: variant, name, fewest and most arguments.
macro_rules! functions {
    ($($variant:ident $name:literal $min:literal $max:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Function { $($variant,)* }

        pub(super) const FUNCTIONS: &[(&str, Function, usize, usize)] =
            &[$(($name, Function::$variant, $min, $max),)*];
    };
}

functions! {
    Abs "abs" 0 0;
    Aggregate "aggregate" 1 2;
    All "all" 1 1;
    AllFalse "allFalse" 0 0;
    AllTrue "allTrue" 0 0;
    AnyFalse "anyFalse" 0 0;
    AnyTrue "anyTrue" 0 0;
    Ceiling "ceiling" 0 0;
    Children "children" 0 0;
    Combine "combine" 1 1;
    Comparable "comparable" 1 1;
    ConformsTo "conformsTo" 1 1;
    Contains "contains" 1 1;
    ConvertsToBoolean "convertsToBoolean" 0 0;
    ConvertsToDate "convertsToDate" 0 0;
    ConvertsToDateTime "convertsToDateTime" 0 0;
    ConvertsToDecimal "convertsToDecimal" 0 0;
    ConvertsToInteger "convertsToInteger" 0 0;
    ConvertsToQuantity "convertsToQuantity" 0 1;
    ConvertsToString "convertsToString" 0 0;
    ConvertsToTime "convertsToTime" 0 0;
    Count "count" 0 0;
    Decode "decode" 1 1;
    Descendants "descendants" 0 0;
    Distinct "distinct" 0 0;
    Empty "empty" 0 0;
    Encode "encode" 1 1;
    EndsWith "endsWith" 1 1;
    Escape "escape" 1 1;
    Exclude "exclude" 1 1;
    Exists "exists" 0 1;
    Exp "exp" 0 0;
    Extension "extension" 1 1;
    First "first" 0 0;
    Floor "floor" 0 0;
    HasValue "hasValue" 0 0;
    HighBoundary "highBoundary" 0 1;
    HtmlChecks "htmlChecks" 0 0;
    Iif "iif" 2 3;
    IndexOf "indexOf" 1 1;
    Intersect "intersect" 1 1;
    IsDistinct "isDistinct" 0 0;
    Join "join" 0 1;
    Last "last" 0 0;
    LastIndexOf "lastIndexOf" 1 1;
    Length "length" 0 0;
    Ln "ln" 0 0;
    Log "log" 1 1;
    LowBoundary "lowBoundary" 0 1;
    Lower "lower" 0 0;
    Matches "matches" 1 1;
    MatchesFull "matchesFull" 1 1;
    MemberOf "memberOf" 1 1;
    Not "not" 0 0;
    Now "now" 0 0;
    Power "power" 1 1;
    Precision "precision" 0 0;
    Repeat "repeat" 1 1;
    Replace "replace" 2 2;
    ReplaceMatches "replaceMatches" 2 2;
    Resolve "resolve" 0 0;
    Round "round" 0 1;
    Select "select" 1 1;
    Single "single" 0 0;
    Skip "skip" 1 1;
    Sort "sort" 0 8;
    Split "split" 1 1;
    Sqrt "sqrt" 0 0;
    StartsWith "startsWith" 1 1;
    SubsetOf "subsetOf" 1 1;
    Substring "substring" 1 2;
    SupersetOf "supersetOf" 1 1;
    Tail "tail" 0 0;
    Take "take" 1 1;
    TimeOfDay "timeOfDay" 0 0;
    ToBoolean "toBoolean" 0 0;
    ToChars "toChars" 0 0;
    ToDate "toDate" 0 0;
    ToDateTime "toDateTime" 0 0;
    ToDecimal "toDecimal" 0 0;
    ToInteger "toInteger" 0 0;
    ToQuantity "toQuantity" 0 1;
    ToString "toString" 0 0;
    ToTime "toTime" 0 0;
    Today "today" 0 0;
    Trace "trace" 1 2;
    Trim "trim" 0 0;
    Truncate "truncate" 0 0;
    Type "type" 0 0;
    Unescape "unescape" 1 1;
    Union "union" 1 1;
    Upper "upper" 0 0;
    Where "where" 1 1;
}

/// Functions that take a type instead of expressions.
pub(super) const TYPE_FUNCTIONS: [&str; 3] = ["as", "is", "ofType"];

/// Names of the functions, for help and completion.
pub fn functions() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, ..)| *name).chain(TYPE_FUNCTIONS)
}

impl Expression {
    /// The resource type it starts with.
    pub fn root_type(&self) -> Option<&str> {
        match self {
            Self::Path { start: Start::Type(name), .. } => Some(name),
            Self::Path { start: Start::Group(inner), .. } => inner.root_type(),
            Self::Binary { left, .. } => left.root_type(),
            Self::Is { value, .. } | Self::As { value, .. } | Self::Sign { value, .. } => {
                value.root_type()
            }
            Self::Path { .. } => None,
        }
    }

    /// What a literal text says.
    pub fn literal(&self) -> Option<&str> {
        match self {
            Self::Path { start: Start::Text(text), steps } if steps.is_empty() => Some(text),
            _ => None,
        }
    }
}
