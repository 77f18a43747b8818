//! An operation of the API: a method and a path, what they take and what they answer.

use crate::{dialect::Dialect, problem::Kind};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::marker::PhantomData;

/// An operation whose answer is an `A`: a handler that answers anything else can't be mounted on it.
#[derive(Debug)]
pub struct Operation<A> {
    pub described: Described,
    answer: PhantomData<fn() -> A>,
}

/// An operation as data.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    pub method: Method,
    /// Behind where it stands. What is in braces is any text.
    pub path: &'static str,
    /// Its name for programs that are generated.
    pub id: &'static str,
    pub stands: Stands,
    /// The one dialect that has it, if not all have.
    pub only_in: Option<Dialect>,
    pub parameters: &'static [&'static [Parameter]],
    pub body: Body,
    pub answer: Schematic,
}

/// Makes a schema.
pub type Schematic = fn(&mut SchemaGenerator) -> Schema;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

/// Below which path an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    AtTheBase,
    AtTheRoot,
    /// At both: the cluster's own verbs.
    AtBoth,
    /// At the root, and nobody is asked for the token.
    InTheOpen,
}

/// The request body that an operation takes.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// Nothing: a body that says something is refused.
    Nothing,
    Of(Schematic),
    /// The same, and it may hold code, which takes room.
    WithCode(Schematic),
}

/// A parameter of a query.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    pub name: &'static str,
    pub shape: Shape,
}

/// The type of a parameter's value.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Text,
    /// One, several, or several with commas between them.
    Texts,
    Flag,
    Whole {
        least: u64,
        most: u64,
    },
    OneOf(&'static [&'static str]),
    /// Some of these.
    SomeOf(&'static [&'static str]),
    /// Names of an enum.
    Words(fn() -> &'static [&'static str]),
    /// A text, or whether there is one at all: `name[any]=`.
    Present,
    /// Equality, or limits in brackets.
    Times,
    Numbers,
    /// Values in brackets: `name[field]=`.
    Object,
}

impl Parameter {
    pub const fn of(name: &'static str, shape: Shape) -> Self {
        Self { name, shape }
    }
}

/// The read options, as parameters: every operation that is asked for the token takes them.
pub const MANNER: &[Parameter] = &[
    Parameter::of("consistency", Shape::OneOf(&["local"])),
    Parameter::of("include", Shape::SomeOf(&["config.auth", "data"])),
];

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

impl<A: JsonSchema> Operation<A> {
    const fn of(method: Method, path: &'static str, id: &'static str, body: Body) -> Self {
        Self {
            described: Described {
                method,
                path,
                id,
                stands: Stands::AtTheBase,
                only_in: None,
                parameters: &[],
                body,
                answer: SchemaGenerator::subschema_for::<A>,
            },
            answer: PhantomData,
        }
    }

    pub const fn get(path: &'static str, id: &'static str) -> Self {
        Self::of(Method::Get, path, id, Body::Nothing)
    }

    pub const fn post(path: &'static str, id: &'static str, body: Body) -> Self {
        Self::of(Method::Post, path, id, body)
    }

    pub const fn put(path: &'static str, id: &'static str, body: Body) -> Self {
        Self::of(Method::Put, path, id, body)
    }

    pub const fn delete(path: &'static str, id: &'static str) -> Self {
        Self::of(Method::Delete, path, id, Body::Nothing)
    }

    /// Adds parameters of the operation's own.
    #[must_use]
    pub const fn with(mut self, parameters: &'static [&'static [Parameter]]) -> Self {
        self.described.parameters = parameters;
        self
    }

    /// Leaves the operation to one dialect.
    #[must_use]
    pub const fn only_in(mut self, dialect: Dialect) -> Self {
        self.described.only_in = Some(dialect);
        self
    }

    /// Places the operation below another path than the base.
    #[must_use]
    pub const fn standing(mut self, stands: Stands) -> Self {
        self.described.stands = stands;
        self
    }
}

impl Body {
    pub const fn of<T: JsonSchema>() -> Self {
        Self::Of(SchemaGenerator::subschema_for::<T>)
    }

    pub const fn with_code<T: JsonSchema>() -> Self {
        Self::WithCode(SchemaGenerator::subschema_for::<T>)
    }
}

impl Described {
    /// Whether a dialect has it.
    #[must_use]
    pub fn is_in(&self, dialect: Dialect) -> bool {
        self.only_in.is_none_or(|only| only == dialect)
    }

    /// All paths that it has for those who speak a dialect.
    pub fn paths(&self, dialect: Dialect) -> Vec<String> {
        let base = || format!("{}{}", dialect.base(), self.path);
        match self.stands {
            _ if !self.is_in(dialect) => Vec::new(),
            Stands::AtTheBase => vec![base()],
            Stands::AtTheRoot | Stands::InTheOpen => vec![self.path.to_owned()],
            Stands::AtBoth => vec![self.path.to_owned(), base()],
        }
    }

    /// All parameters that it takes in a query.
    pub fn parameters(&self) -> impl Iterator<Item = Parameter> {
        let manner = match self.stands {
            Stands::InTheOpen => &[],
            _ => MANNER,
        };
        let own = self.parameters.iter().copied().flatten();
        own.chain(manner).copied()
    }

    /// The statuses that it may answer with but 200.
    pub fn problems(&self) -> Vec<u16> {
        let mut kinds = vec![Kind::BadRequest, Kind::Internal, Kind::Unavailable];
        if self.stands != Stands::InTheOpen {
            kinds.extend([
                Kind::Unauthorized,
                Kind::Forbidden,
                Kind::TooManyRequests,
                Kind::Unprocessable,
                Kind::NotFound,
            ]);
        }
        if self.method != Method::Get {
            kinds.extend([Kind::PayloadTooLarge, Kind::UnsupportedMediaType]);
        }
        let mut statuses: Vec<u16> = kinds.into_iter().map(Kind::status).collect();
        statuses.sort_unstable();
        statuses
    }
}
