//! From tokens to an expression.

use super::lex::{self, Placed, Token};
use super::{PATH_BYTES_MAX, PATH_DEPTH_MAX, PathError};
use crate::fhir::tables;

/// An expression: a start and steps from it, or two joined by an operator.
pub(super) enum Expression {
    Path { start: Start, steps: Vec<Step> },
    Binary { left: Box<Expression>, operator: Operator, right: Box<Expression> },
    Is { value: Box<Expression>, ty: &'static str },
}

/// Where a path starts.
pub(super) enum Start {
    /// What the expression is applied to.
    This,
    /// Resources of a type.
    Type(&'static str),
    Text(String),
    Date(String),
    Number(String),
    Bool(bool),
    Empty,
    /// An expression in parentheses.
    Group(Box<Expression>),
}

/// One step of a path.
pub(super) enum Step {
    /// A member, with the place of its name.
    Member(String, usize),
    Index(usize),
    Call(Function, Vec<Expression>),
    /// `ofType(T)`, `as(T)`
    OfType(&'static str),
    /// `is(T)`
    Is(&'static str),
    /// An expression in parentheses after a dot, applied to each item.
    Each(Expression),
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
    In,
    Contains,
    And,
    Or,
    Xor,
    Implies,
}

/// Declares the functions: variant, name, fewest and most arguments, example.
macro_rules! functions {
    ($($variant:ident $name:literal $min:literal $max:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Function { $($variant,)* }

        const FUNCTIONS: &[(&str, Function, usize, usize)] =
            &[$(($name, Function::$variant, $min, $max),)*];
    };
}

functions! {
    All "all" 1 1;
    AllTrue "allTrue" 0 0;
    AnyTrue "anyTrue" 0 0;
    Children "children" 0 0;
    Contains "contains" 1 1;
    Count "count" 0 0;
    Descendants "descendants" 0 0;
    Distinct "distinct" 0 0;
    Empty "empty" 0 0;
    EndsWith "endsWith" 1 1;
    Exists "exists" 0 1;
    Extension "extension" 1 1;
    First "first" 0 0;
    HasValue "hasValue" 0 0;
    Iif "iif" 2 3;
    IsDistinct "isDistinct" 0 0;
    Last "last" 0 0;
    Length "length" 0 0;
    Lower "lower" 0 0;
    Not "not" 0 0;
    Resolve "resolve" 0 0;
    Select "select" 1 1;
    Single "single" 0 0;
    Skip "skip" 1 1;
    StartsWith "startsWith" 1 1;
    Tail "tail" 0 0;
    Take "take" 1 1;
    Upper "upper" 0 0;
    Where "where" 1 1;
}

/// Functions that take a type instead of expressions.
const TYPE_FUNCTIONS: [&str; 3] = ["as", "is", "ofType"];

/// Names of the functions, for help and completion.
pub fn functions() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, ..)| *name).chain(TYPE_FUNCTIONS)
}

impl Expression {
    pub fn root_type(&self) -> Option<&str> {
        match self {
            Self::Path { start: Start::Type(name), .. } => Some(name),
            Self::Path { start: Start::Group(inner), .. } => inner.root_type(),
            Self::Binary { left, .. } => left.root_type(),
            Self::Is { value, .. } => value.root_type(),
            Self::Path { .. } => None,
        }
    }
}

/// Reads a path.
pub(super) fn parse(text: &str) -> Result<Expression, PathError> {
    if text.len() > PATH_BYTES_MAX {
        return Err(PathError { at: 0, what: format!("longer than {PATH_BYTES_MAX} bytes") });
    }
    let tokens = lex::tokens(text)?;
    let mut parser = Parser { tokens: &tokens, end: text.len(), depth: 0, operators: 0 };
    let expression = parser.expression(0)?;
    match parser.tokens.first() {
        None => Ok(expression),
        Some(_) => parser.expected("an operator or the end"),
    }
}

struct Parser<'t> {
    tokens: &'t [Placed],
    end: usize,
    depth: usize,
    operators: usize,
}

impl Parser<'_> {
    fn at(&self) -> usize {
        self.tokens.first().map_or(self.end, |(at, _)| *at)
    }

    fn fail<T>(&self, at: usize, what: impl Into<String>) -> Result<T, PathError> {
        Err(PathError { at, what: what.into() })
    }

    fn expected<T>(&self, what: &str) -> Result<T, PathError> {
        self.fail(self.at(), format!("expected {what}"))
    }

    fn next(&mut self) -> Option<&Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(&first.1)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.first(), Some((_, Token::Sign(s))) if *s == sign);
        if found {
            self.next();
        }
        found
    }

    /// Operators that bind at least as tightly as `floor`, by precedence climbing.
    fn expression(&mut self, floor: u8) -> Result<Expression, PathError> {
        self.depth += 1;
        if self.depth > PATH_DEPTH_MAX + 1 {
            let at = self.at().saturating_sub(1);
            return self.fail(at, format!("nested deeper than {PATH_DEPTH_MAX} levels"));
        }
        let mut left = self.path()?;
        while let Some((operator, strength)) = self.operator() {
            if strength < floor {
                break;
            }
            self.operators += 1;
            if self.operators > PATH_DEPTH_MAX {
                return self.fail(self.at(), format!("more than {PATH_DEPTH_MAX} operators"));
            }
            self.next();
            left = match operator {
                Some(operator) => {
                    let right = Box::new(self.operand(strength + 1)?);
                    Expression::Binary { left: Box::new(left), operator, right }
                }
                None => Expression::Is { value: Box::new(left), ty: self.type_name()? },
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    /// The right side of an operator is no deeper than the left.
    fn operand(&mut self, floor: u8) -> Result<Expression, PathError> {
        self.depth -= 1;
        let operand = self.expression(floor);
        self.depth += 1;
        operand
    }

    /// The operator that comes next with how tightly it binds; none inside stands for `is`.
    fn operator(&self) -> Option<(Option<Operator>, u8)> {
        let (_, token) = self.tokens.first()?;
        let word = match token {
            Token::Sign(sign) => sign,
            Token::Name(name) => name.as_str(),
            _ => return None,
        };
        Some(match word {
            "|" => (Some(Operator::Union), 6),
            "is" => (None, 7),
            "<" => (Some(Operator::Less), 5),
            "<=" => (Some(Operator::LessOrEqual), 5),
            ">" => (Some(Operator::Greater), 5),
            ">=" => (Some(Operator::GreaterOrEqual), 5),
            "=" => (Some(Operator::Equal), 4),
            "!=" => (Some(Operator::NotEqual), 4),
            "in" => (Some(Operator::In), 3),
            "contains" => (Some(Operator::Contains), 3),
            "and" => (Some(Operator::And), 2),
            "or" => (Some(Operator::Or), 1),
            "xor" => (Some(Operator::Xor), 1),
            "implies" => (Some(Operator::Implies), 0),
            _ => return None,
        })
    }

    fn path(&mut self) -> Result<Expression, PathError> {
        let at = self.at();
        let Some((_, token)) = self.tokens.first() else {
            return self.expected("a name, a literal or `(`");
        };
        let mut steps = Vec::new();
        let mut named = false;
        let start = match token.clone() {
            Token::This => Start::This,
            Token::Text(text) => Start::Text(text),
            Token::Date(text) => Start::Date(text),
            Token::Number(number) => Start::Number(number),
            Token::Name(word) if word == "true" || word == "false" => Start::Bool(word == "true"),
            Token::Name(word) if is_root(&word) => {
                Start::Type(tables::type_name(&word).unwrap_or("Resource"))
            }
            Token::Name(_) => {
                named = true;
                Start::This
            }
            Token::Sign("{") => {
                self.next();
                if !self.take("}") {
                    return self.expected("`}`");
                }
                return Ok(Expression::Path { start: Start::Empty, steps });
            }
            Token::Sign("(") => {
                self.next();
                let inner = Box::new(self.expression(0)?);
                if !self.take(")") {
                    return self.expected("`)`");
                }
                self.steps(&mut steps)?;
                return Ok(Expression::Path { start: Start::Group(inner), steps });
            }
            Token::Sign(_) => return self.fail(at, "expected a name, a literal or `(`"),
        };
        if named {
            steps.push(self.step()?);
        } else {
            self.next();
        }
        self.steps(&mut steps)?;
        Ok(Expression::Path { start, steps })
    }

    fn steps(&mut self, steps: &mut Vec<Step>) -> Result<(), PathError> {
        loop {
            if self.take(".") {
                steps.push(self.step()?);
            } else if self.take("[") {
                let Some((_, Token::Number(number))) = self.tokens.first() else {
                    return self.expected("a number from 0");
                };
                let Ok(index) = number.parse() else { return self.expected("a number from 0") };
                self.next();
                if !self.take("]") {
                    return self.expected("`]`");
                }
                steps.push(Step::Index(index));
            } else {
                return Ok(());
            }
        }
    }

    /// A member, a function, or a group after a dot.
    fn step(&mut self) -> Result<Step, PathError> {
        let at = self.at();
        if self.take("(") {
            let inner = self.expression(0)?;
            if !self.take(")") {
                return self.expected("`)`");
            }
            return Ok(Step::Each(inner));
        }
        let Some((_, Token::Name(name))) = self.tokens.first() else {
            return self.expected("a name after `.`");
        };
        let name = name.clone();
        self.next();
        if !self.take("(") {
            return Ok(Step::Member(name, at));
        }
        if TYPE_FUNCTIONS.contains(&name.as_str()) {
            let ty = self.type_name()?;
            if !self.take(")") {
                return self.expected("`)`");
            }
            return Ok(if name == "is" { Step::Is(ty) } else { Step::OfType(ty) });
        }
        let Some((_, function, min, max)) = FUNCTIONS.iter().find(|(known, ..)| *known == name)
        else {
            let hint = nearest(&name, functions()).map(|n| format!(", did you mean `{n}`?"));
            return self.fail(at, format!("no function `{name}`{}", hint.unwrap_or_default()));
        };
        let arguments = self.arguments()?;
        if !(*min..=*max).contains(&arguments.len()) {
            let takes = match max {
                0 => "no argument".to_owned(),
                1 => "1 argument".to_owned(),
                _ => format!("{min} to {max} arguments"),
            };
            return self.fail(at, format!("`{name}` takes {takes}"));
        }
        Ok(Step::Call(*function, arguments))
    }

    fn arguments(&mut self) -> Result<Vec<Expression>, PathError> {
        let mut arguments = Vec::new();
        if self.take(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression(0)?);
            if self.take(")") {
                return Ok(arguments);
            }
            if !self.take(",") {
                return self.expected("`)`");
            }
        }
    }

    /// A type, with or without `FHIR.` before it.
    fn type_name(&mut self) -> Result<&'static str, PathError> {
        let mut at = self.at();
        let mut name = self.type_word()?;
        if name == "FHIR" && self.take(".") {
            at = self.at();
            name = self.type_word()?;
        }
        match tables::type_name(&name) {
            Some(name) => Ok(name),
            None => self.fail(at, format!("R4 has no type `{name}`")),
        }
    }

    fn type_word(&mut self) -> Result<String, PathError> {
        let Some(Token::Name(name)) = self.tokens.first().map(|(_, token)| token.clone()) else {
            return self.expected("the name of a type");
        };
        self.next();
        Ok(name)
    }
}

fn is_root(word: &str) -> bool {
    tables::is_resource(word) || matches!(word, "Resource" | "DomainResource")
}

/// The known name at a distance of few edits.
pub(in crate::fhir) fn nearest<'n>(
    name: &str,
    known: impl Iterator<Item = &'n str>,
) -> Option<&'n str> {
    let limit = (name.len() / 3).clamp(1, 3);
    let measured = known.map(|candidate| (distance(name, candidate), candidate));
    measured.filter(|(d, _)| *d <= limit).min().map(|(_, candidate)| candidate)
}

/// Number of letters to insert, remove, replace or swap.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<u8>, Vec<u8>) = (a.bytes().collect(), b.bytes().collect());
    let mut rows: [Vec<usize>; 3] = [Vec::new(), (0..=b.len()).collect(), Vec::new()];
    for (i, x) in a.iter().enumerate() {
        let [before, above, row] = &mut rows;
        row.clear();
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let pick = |cells: &[usize], at: usize| cells.get(at).copied().unwrap_or(usize::MAX);
            let mut best = (pick(above, j) + usize::from(x != y))
                .min(pick(above, j + 1) + 1)
                .min(pick(row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(pick(before, j - 1).saturating_add(1));
            }
            row.push(best);
        }
        rows.rotate_left(1);
    }
    let [_, last, _] = &rows;
    last.last().copied().unwrap_or_default()
}
