//! From tokens to an expression.

use regex::RegexBuilder;
use rust_decimal::Decimal;

use super::ast::{
    Call, Expression, FUNCTIONS, Function, Operator, Start, Step, SystemType, TYPE_FUNCTIONS,
    TypeName, functions,
};
use super::lex::{self, Placed, Token};
use super::quantity::{Quantity, Unit};
use super::{PATH_BYTES_MAX, PATH_DEPTH_MAX, PATH_OPERATORS_MAX, PathError};
use crate::fhir::tables;

/// Most memory of a compiled pattern in bytes: published ones stay below 100 KiB.
const PATTERN_BYTES_MAX: usize = 1 << 20;

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

/// Reads a pattern: `.` matches line ends as well.
///
/// Source: FHIRPath N1 (2.0.0) §matches.
pub(super) fn pattern(text: &str) -> Option<regex::Regex> {
    RegexBuilder::new(text)
        .dot_matches_new_line(true)
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(PATTERN_BYTES_MAX)
        .build()
        .ok()
}

/// How an operator joins.
enum Joint {
    Binary(Operator),
    Is,
    As,
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

    /// Reads operands joined by operators that bind at least as tightly as `floor`.
    fn expression(&mut self, floor: u8) -> Result<Expression, PathError> {
        if self.depth >= PATH_DEPTH_MAX {
            return self.fail(self.at(), format!("nested deeper than {PATH_DEPTH_MAX} levels"));
        }
        self.depth += 1;
        let mut left = self.operand()?;
        while let Some((joint, tightness)) = self.operator().filter(|(_, t)| *t >= floor) {
            let at = self.at();
            self.operators += 1;
            if self.operators > PATH_OPERATORS_MAX {
                return self.fail(at, format!("more than {PATH_OPERATORS_MAX} operators"));
            }
            self.next();
            left = match joint {
                Joint::Is => Expression::Is { value: Box::new(left), ty: self.type_name()? },
                Joint::As => Expression::As { value: Box::new(left), ty: self.type_name()? },
                Joint::Binary(operator) => {
                    let right = Box::new(self.expression(tightness + 1)?);
                    Expression::Binary { left: Box::new(left), operator, right }
                }
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    /// A path with signs before it.
    fn operand(&mut self) -> Result<Expression, PathError> {
        for (sign, minus) in [("-", true), ("+", false)] {
            if self.take(sign) {
                // Tighter than all operators, looser than steps: `-1.abs()` is `-(1.abs())`.
                let value = Box::new(self.expression(TIGHTEST)?);
                return Ok(Expression::Sign { minus, value });
            }
        }
        self.path()
    }

    /// The operator that comes next with how tightly it binds.
    fn operator(&self) -> Option<(Joint, u8)> {
        let (_, token) = self.tokens.first()?;
        let word = match token {
            Token::Sign(sign) => sign,
            Token::Name(name) => name.as_str(),
            _ => return None,
        };
        let (operator, tightness) = match word {
            "is" => return Some((Joint::Is, 8)),
            "as" => return Some((Joint::As, 8)),
            "*" => (Operator::Times, 10),
            "/" => (Operator::Divided, 10),
            "div" => (Operator::Div, 10),
            "mod" => (Operator::Mod, 10),
            "+" => (Operator::Plus, 9),
            "-" => (Operator::Minus, 9),
            "&" => (Operator::Joined, 9),
            "|" => (Operator::Union, 7),
            "<" => (Operator::Less, 6),
            "<=" => (Operator::LessOrEqual, 6),
            ">" => (Operator::Greater, 6),
            ">=" => (Operator::GreaterOrEqual, 6),
            "=" => (Operator::Equal, 5),
            "!=" => (Operator::NotEqual, 5),
            "~" => (Operator::Equivalent, 5),
            "!~" => (Operator::NotEquivalent, 5),
            "in" => (Operator::In, 4),
            "contains" => (Operator::Contains, 4),
            "and" => (Operator::And, 3),
            "or" => (Operator::Or, 2),
            "xor" => (Operator::Xor, 2),
            "implies" => (Operator::Implies, 1),
            _ => return None,
        };
        Some((Joint::Binary(operator), tightness))
    }

    fn path(&mut self) -> Result<Expression, PathError> {
        let Some((at, token)) = self.tokens.first().cloned() else {
            return self.expected("a name, a literal or `(`");
        };
        let mut steps = Vec::new();
        let mut named = false;
        let start = match token {
            Token::Special(word) => match word.as_str() {
                "this" => Start::Named,
                "index" => Start::Index,
                "total" => Start::Total,
                _ => return self.fail(at, "after `$` comes `this`, `index` or `total`"),
            },
            Token::Variable(name) => Start::Variable(name, at),
            Token::Text(text) => Start::Text(text),
            Token::Moment(moment) => Start::Moment(moment),
            Token::Number(number) => self.number(&number, at)?,
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
                if !matches!(self.tokens.first(), Some((_, Token::Sign("}")))) {
                    return self.expected("`}`");
                }
                Start::Empty
            }
            Token::Sign("(") => {
                self.next();
                let inner = Box::new(self.expression(0)?);
                if !matches!(self.tokens.first(), Some((_, Token::Sign(")")))) {
                    return self.expected("`)`");
                }
                Start::Group(inner)
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

    /// A number, with the unit that may follow it; the last token of it is left in place.
    fn number(&mut self, number: &str, at: usize) -> Result<Start, PathError> {
        let Ok(value) = number.parse::<Decimal>() else {
            return self.fail(at, "the number has more digits than can be kept");
        };
        let unit = match self.tokens.get(1) {
            Some((_, Token::Text(unit))) => Some(Unit::of_text(unit)),
            Some((_, Token::Name(word))) => Unit::calendar(word),
            _ => None,
        };
        if let Some(unit) = unit {
            self.next();
            return Ok(Start::Quantity(Quantity { value, unit }));
        }
        Ok(match number.parse::<i64>() {
            Ok(number) => Start::Integer(number),
            Err(_) => Start::Number(value),
        })
    }

    fn steps(&mut self, steps: &mut Vec<Step>) -> Result<(), PathError> {
        loop {
            if self.take(".") {
                steps.push(self.step()?);
            } else if self.take("[") {
                if matches!(self.tokens.first(), None | Some((_, Token::Sign("]")))) {
                    return self.expected("a number from 0");
                }
                steps.push(Step::Index(Box::new(self.expression(0)?)));
                if !self.take("]") {
                    return self.expected("`]`");
                }
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
            return Ok(match name.as_str() {
                "is" => Step::Is(ty),
                "as" => Step::As(ty),
                _ => Step::OfType(ty),
            });
        }
        let Some((known, function, min, max)) = FUNCTIONS.iter().find(|(known, ..)| *known == name)
        else {
            let hint = nearest(&name, functions()).map(|n| format!(", did you mean `{n}`?"));
            return self.fail(at, format!("no function `{name}`{}", hint.unwrap_or_default()));
        };
        let with = self.arguments()?;
        if !(*min..=*max).contains(&with.len()) {
            let takes = match (min, max) {
                (_, 0) => "no argument".to_owned(),
                (1, 1) => "1 argument".to_owned(),
                (min, max) if min == max => format!("{min} arguments"),
                _ => format!("{min} to {max} arguments"),
            };
            return self.fail(at, format!("`{name}` takes {takes}"));
        }
        let pattern = self.compiled(*function, &with, at)?;
        Ok(Step::Call(Call { function: *function, name: known, with, pattern, at }))
    }

    /// Compiles the literal pattern of a function that takes one.
    fn compiled(
        &self,
        function: Function,
        with: &[Expression],
        at: usize,
    ) -> Result<Option<regex::Regex>, PathError> {
        let Some(text) = with.first().and_then(Expression::literal) else { return Ok(None) };
        match function {
            Function::Matches | Function::ReplaceMatches => {}
            Function::MatchesFull => return Ok(pattern(&format!("^(?:{text})$"))),
            _ => return Ok(None),
        }
        match pattern(text) {
            Some(pattern) => Ok(Some(pattern)),
            None => self.fail(at, "the pattern is no regular expression"),
        }
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

    /// A type, with or without `FHIR.` or `System.` before it.
    fn type_name(&mut self) -> Result<TypeName, PathError> {
        let mut at = self.at();
        let mut name = self.type_word()?;
        let system = |name: &str| {
            let found = SystemType::NAMES.iter().find(|(known, _)| *known == name);
            found.map(|(_, ty)| TypeName::System(*ty))
        };
        if name == "System" && self.take(".") {
            return Ok(system(&self.type_word()?).unwrap_or(TypeName::Nothing));
        }
        let fhir = name == "FHIR" && self.take(".");
        if fhir {
            at = self.at();
            name = self.type_word()?;
        }
        if let Some(name) = tables::type_name(&name) {
            return Ok(TypeName::Fhir(name));
        }
        match system(&name).filter(|_| !fhir) {
            Some(ty) => Ok(ty),
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

/// Binds tighter than any operator.
const TIGHTEST: u8 = 11;

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
