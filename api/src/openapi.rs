//! The API's contract as an OpenAPI 3.1 document, made from the operations and their types.

mod parts;

use crate::{
    dialect::{self, Dialect},
    operation::{Body, Described, Parameter, Shape, Stands},
    operations,
    problem::ProblemView,
};
use parts::{
    Components, Document, Given, Info, Media, Part, PathItem, Reference, RequestBody, Response,
    Responses, SecurityScheme,
};
use schemars::{Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::LazyLock};

const TOKEN: &str = "token";
const PROBLEM: &str = "Problem";
const TIMES: &str = "TimeLimits";
const NUMBERS: &str = "NumberLimits";
/// The headers that choose a project, and what they are called among the components. Clients of one kind send another, too.
const SHOWN_HEADERS: [(&str, &str); 2] = [("X-Project-ID", "ProjectId"), ("X-Team-ID", "TeamId")];
/// Where definitions lie in the document.
const DEFINITIONS: &str = "/components/schemas";

/// The document of a dialect. It is the same on every node of a version.
pub fn document(dialect: Dialect) -> &'static Value {
    static DOCUMENTS: LazyLock<BTreeMap<Dialect, Value>> = LazyLock::new(|| {
        let all = Dialect::ALL.into_iter();
        all.map(|dialect| {
            let document = made(dialect);
            let mut document = serde_json::to_value(document).unwrap_or_default();
            dialect::narrow(&mut document, dialect);
            (dialect, document)
        })
        .collect()
    });
    &DOCUMENTS[&dialect]
}

/// The document of the dialect in which a path is answered.
fn document_of(path: &str) -> &'static Value {
    document(Dialect::of(path))
}

fn made(dialect: Dialect) -> Document {
    let mut writer = Writer::new();
    let mut paths: BTreeMap<String, PathItem> = BTreeMap::new();
    for described in operations::ALL {
        for (place, path) in described.paths(dialect).into_iter().enumerate() {
            let method = described.method.name().to_ascii_lowercase();
            let part = writer.part(described, &path, place);
            paths.entry(path).or_default().insert(method, part);
        }
    }
    Document {
        openapi: "3.1.0",
        info: Info {
            title: "Tidegate admin API",
            version: env!("CARGO_PKG_VERSION"),
            description: "Served on the admin listener. An answer other than 200 is a Problem.",
        },
        paths,
        components: writer.components(),
        security: vec![scheme()],
    }
}

fn scheme() -> BTreeMap<&'static str, [&'static str; 0]> {
    [(TOKEN, [])].into()
}

/// Writes operations, and gathers the schemas that they refer to.
struct Writer {
    answers: SchemaGenerator,
    bodies: SchemaGenerator,
}

impl Writer {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = DEFINITIONS.into();
                settings.meta_schema = None;
            })
        };
        Self {
            answers: settings().for_serialize().into_generator(),
            bodies: settings().for_deserialize().into_generator(),
        }
    }

    fn part(&mut self, described: &Described, path: &str, place: usize) -> Part {
        Part {
            // The same operation at another place has a name of its own.
            operation_id: match place {
                0 => described.id.to_owned(),
                _ => format!("{}AtTheBase", described.id),
            },
            parameters: in_path(path)
                .chain(described.parameters().map(in_query))
                .map(parts::Parameter::Here)
                .chain(in_header(described))
                .collect(),
            request_body: self.request_body(described.body),
            responses: self.responses(described),
            security: (described.stands == Stands::InTheOpen).then(Vec::new),
        }
    }

    fn request_body(&mut self, body: Body) -> Option<RequestBody> {
        let (Body::Of(schema) | Body::WithCode(schema)) = body else {
            return None;
        };
        let schema = closed(schema(&mut self.bodies));
        Some(RequestBody {
            content: json(schema),
        })
    }

    fn responses(&mut self, described: &Described) -> Responses {
        let answer = closed((described.answer)(&mut self.answers));
        let problems = described.problems().into_iter();
        Responses {
            done: Response {
                description: "Done",
                content: json(answer),
            },
            problems: problems
                .map(|status| {
                    let problem = format!("#/components/responses/{PROBLEM}");
                    (status.to_string(), Reference { to: problem })
                })
                .collect(),
        }
    }

    fn components(mut self) -> Components {
        let problem = closed(self.answers.subschema_for::<ProblemView<'static>>());
        let answers = self.answers.take_definitions(true);
        let bodies = self.bodies.take_definitions(true);
        let limits = [
            (
                TIMES,
                limits(&json_schema!({"type": "string", "format": "date-time"})),
            ),
            (
                NUMBERS,
                limits(&json_schema!({"type": "integer", "minimum": 0})),
            ),
        ];
        let limits = limits.map(|(name, schema)| (name.to_owned(), schema.into()));
        let schemas = answers.into_iter().chain(bodies).chain(limits);
        Components {
            parameters: SHOWN_HEADERS
                .map(|(name, component)| (component, project_header(name)))
                .into(),
            schemas: schemas
                .map(|(name, mut schema)| {
                    close(&mut schema);
                    (name, schema)
                })
                .collect(),
            responses: [(
                PROBLEM,
                Response {
                    description: "A problem",
                    content: json(problem),
                },
            )]
            .into(),
            security_schemes: [(
                TOKEN,
                SecurityScheme {
                    kind: "http",
                    scheme: "bearer",
                },
            )]
            .into(),
        }
    }
}

fn project_header(name: &str) -> Given {
    Given {
        name: name.to_owned(),
        stands_in: "header",
        required: false,
        description: Some("The project to work in, by id or name; the default one without it."),
        style: None,
        schema: json_schema!({"type": "string"}),
    }
}

fn json(schema: Value) -> BTreeMap<&'static str, Media> {
    [("application/json", Media { schema })].into()
}

/// The parameters that stand in braces.
fn in_path(path: &str) -> impl Iterator<Item = Given> {
    let names = path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(name.to_owned())
    });
    names.map(|name| Given {
        name,
        stands_in: "path",
        required: true,
        description: None,
        style: None,
        schema: json_schema!({"type": "string"}),
    })
}

/// The headers that name the project, where a principal is asked for.
fn in_header(described: &Described) -> impl Iterator<Item = parts::Parameter> {
    let names = match described.stands {
        Stands::InTheOpen => [].as_slice(),
        _ => SHOWN_HEADERS.as_slice(),
    };
    names.iter().map(|(_, component)| {
        let to = format!("#/components/parameters/{component}");
        parts::Parameter::Shared(Reference { to })
    })
}

fn in_query(parameter: Parameter) -> Given {
    let is_object = matches!(
        parameter.shape,
        Shape::Present | Shape::Times | Shape::Numbers | Shape::Object
    );
    Given {
        name: parameter.name.to_owned(),
        stands_in: "query",
        required: false,
        description: None,
        // `name[field]=value`, as often as there are fields.
        style: is_object.then_some("deepObject"),
        schema: shape(parameter.shape),
    }
}

fn shape(shape: Shape) -> Schema {
    let one_or_more = |one: Schema| json_schema!({"anyOf": [one, {"type": "array", "items": one}]});
    match shape {
        Shape::Text => json_schema!({"type": "string"}),
        Shape::Texts => one_or_more(json_schema!({"type": "string"})),
        Shape::Flag => json_schema!({"type": "boolean"}),
        Shape::Whole { least, most } => {
            json_schema!({"type": "integer", "minimum": least, "maximum": most})
        }
        Shape::OneOf(names) => json_schema!({"type": "string", "enum": names}),
        Shape::SomeOf(names) => one_or_more(json_schema!({"type": "string", "enum": names})),
        Shape::Words(names) => one_or_more(json_schema!({"type": "string", "enum": names()})),
        Shape::Present => json_schema!({"anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}},
            {"type": "object", "properties": {"any": {"type": "boolean"}}, "additionalProperties": false},
        ]}),
        Shape::Times => Schema::new_ref(format!("#{DEFINITIONS}/{TIMES}")),
        Shape::Numbers => Schema::new_ref(format!("#{DEFINITIONS}/{NUMBERS}")),
        Shape::Object => json_schema!({"type": "object"}),
    }
}

/// Equality, or limits that hold together.
fn limits(value: &Schema) -> Schema {
    json_schema!({"anyOf": [
        value,
        {
            "type": "object",
            "properties": {
                "gt": value, "gte": value, "lt": value, "le": value, "lte": value,
                "any": {"type": "boolean"},
            },
            "additionalProperties": false,
        },
    ]})
}

fn closed(schema: Schema) -> Value {
    let mut schema = Value::from(schema);
    close(&mut schema);
    schema
}

/// Says of every object with named fields that it has no others: neither answers nor bodies have fields that nobody knows.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.get("properties").is_some_and(Value::is_object) {
                object
                    .entry("additionalProperties")
                    .or_insert(Value::Bool(false));
            }
            object.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Whether there is an operation behind a method and a path's pattern.
pub fn serves(method: &str, pattern: &str) -> bool {
    document_of(pattern)["paths"][pattern][method.to_ascii_lowercase()].is_object()
}

/// The pattern of the operations that a path leads to; none of a path that leads nowhere.
pub fn pattern_of(path: &str) -> Option<&'static str> {
    let given: Vec<&str> = path.split('?').next()?.split('/').collect();
    let fits = |pattern: &&String| {
        let wanted: Vec<&str> = pattern.split('/').collect();
        let mut parts = wanted.iter().zip(&given);
        wanted.len() == given.len() && parts.all(|(wanted, given)| is_id(wanted) || wanted == given)
    };
    let paths = document_of(path)["paths"].as_object()?.keys();
    // Fixed words come before ids.
    let ids = |pattern: &&String| pattern.split('/').filter(|part| is_id(part)).count();
    paths.filter(fits).min_by_key(ids).map(String::as_str)
}

/// Whether a part of a pattern stands for any text.
fn is_id(part: &str) -> bool {
    part.starts_with('{')
}

/// The schema that an answer of an operation must fit. None: it must not answer with this status.
pub fn answer_schema(method: &str, pattern: &str, status: u16) -> Option<Value> {
    let part = &document_of(pattern)["paths"][pattern][method.to_ascii_lowercase()];
    let response = part["responses"].get(status.to_string())?;
    if status != 200 {
        return Some(problem_schema());
    }
    let schema = &response["content"]["application/json"]["schema"];
    // Anything will do where the schema is no object.
    Some(whole(
        pattern,
        schema.as_object().cloned().unwrap_or_default(),
    ))
}

/// The schema that the body of a request must fit. None: the operation takes no body.
pub fn body_schema(method: &str, pattern: &str) -> Option<Value> {
    let part = &document_of(pattern)["paths"][pattern][method.to_ascii_lowercase()];
    let schema = &part["requestBody"]["content"]["application/json"]["schema"];
    Some(whole(pattern, schema.as_object()?.clone()))
}

/// The schema of a problem.
pub fn problem_schema() -> Value {
    let refers = ("$ref".to_owned(), format!("#{DEFINITIONS}/Problem").into());
    whole("", [refers].into_iter().collect())
}

/// A schema of a path with everything that it refers to.
fn whole(path: &str, mut schema: Map<String, Value>) -> Value {
    let components = document_of(path)["components"].clone();
    schema.insert("components".to_owned(), components);
    Value::Object(schema)
}
