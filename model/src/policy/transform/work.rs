//! The state of one run: the message, its body as a tree once somebody asks for it, and what the steps may still cost.

use super::{
    Env, Failure, Halt, Limits, Message,
    address::{Address, BodyPath},
    budget::Budget,
    form,
    structure::{self, Structure},
    tree::{self, Tree},
    url, walk,
};
use bytes::Bytes;
use std::borrow::Cow;

pub(super) struct Work<'a> {
    pub(super) message: Message,
    env: &'a Env,
    /// None until a step looks into the body.
    tree: Option<Tree>,
    changed: bool,
    /// What the body is by its sender's word.
    given: Structure,
    /// What a step says that it is to be.
    pub(super) declared: Option<Structure>,
    pub(super) budget: Budget,
    limits: Limits,
}

impl<'a> Work<'a> {
    pub(super) fn new(message: Message, env: &'a Env, limits: Limits) -> Self {
        let given = Structure::of(message.header("content-type").as_deref());
        Self {
            message,
            env,
            tree: None,
            changed: false,
            given,
            declared: None,
            budget: Budget::new(limits.output_bytes_max),
            limits,
        }
    }

    fn load(&mut self) -> Result<(), Halt> {
        if self.tree.is_none() {
            self.tree = Some(structure::read(&self.message, self.given)?);
        }
        Ok(())
    }

    /// The body, to be looked at, and the budget that the looks cost.
    pub(super) fn body(&mut self) -> Result<(&Tree, &mut Budget), Halt> {
        self.load()?;
        let tree = self.tree.as_ref().unwrap_or(&Tree::Null);
        Ok((tree, &mut self.budget))
    }

    /// Changes the body. `change` says whether it did: a body that nobody changed keeps its bytes.
    pub(super) fn change(
        &mut self,
        change: impl FnOnce(&mut Tree, &mut Budget) -> Result<bool, Halt>,
    ) -> Result<(), Halt> {
        self.load()?;
        let tree = self.tree.get_or_insert(Tree::Null);
        self.changed |= change(tree, &mut self.budget)?;
        Ok(())
    }

    /// Puts a value into the body. The whole body can be replaced without anybody having read it.
    pub(super) fn put(
        &mut self,
        path: &BodyPath,
        place: &[usize],
        value: Tree,
    ) -> Result<(), Halt> {
        if path.0.is_empty() && self.tree.is_none() {
            self.tree = Some(value);
            self.changed = true;
            return Ok(());
        }
        self.change(|tree, budget| {
            let stands = walk::find(tree, &path.0, place, budget)?;
            if stands.as_deref() == Some(&value) {
                return Ok(false);
            }
            walk::put(tree, path, place, value, budget)?;
            Ok(true)
        })
    }

    /// Reads the value at an address; for a field of the body, seen from one place of the target.
    pub(super) fn find(
        &mut self,
        address: &Address,
        place: &[usize],
    ) -> Result<Option<Cow<'_, Tree>>, Halt> {
        let text = |text: String| Some(Cow::Owned(Tree::text(text)));
        Ok(match address {
            Address::Body(path) => {
                self.load()?;
                let tree = self.tree.as_ref().unwrap_or(&Tree::Null);
                walk::find(tree, &path.0, place, &mut self.budget)?
            }
            Address::Header(name) => self.message.header(name).and_then(text),
            Address::Query(name) => {
                let mut values = url::parameter(&self.message.query, name);
                match values.len() {
                    0 => None,
                    1 => values.pop().and_then(text),
                    _ => {
                        let values = values.into_iter().map(Tree::text);
                        Some(Cow::Owned(Tree::List(values.collect())))
                    }
                }
            }
            Address::Path => text(self.message.path.clone()),
            Address::Method => text(self.message.method.clone()),
            Address::Env(name) => self.env.get(name).cloned().and_then(text),
        })
    }

    /// The message as it has become.
    pub(super) fn finish(mut self) -> Result<Message, Failure> {
        let max = self.limits.output_bytes_max;
        self.write().map_err(Failure::of_all)?;
        let message = self.message;
        if message.body.len() > max {
            let halt = Halt::new(format!("the body would have more than {max} bytes"));
            return Err(Failure::of_all(halt));
        }
        Ok(message)
    }

    fn write(&mut self) -> Result<(), Halt> {
        let wanted = self.declared.unwrap_or(Structure::Json);
        if !self.changed {
            // Only another form of the same body was asked for, if anything.
            let converts = match (self.given, self.declared) {
                (
                    Structure::Form | Structure::Multipart | Structure::Xml,
                    Some(Structure::Json),
                ) => true,
                (given, Some(Structure::Form)) => given != Structure::Form,
                _ => false,
            };
            if !converts || self.message.body.is_empty() {
                return Ok(());
            }
        }
        self.load()?;
        // Whatever it was encoded with is gone.
        self.message.remove_header("content-encoding");
        let tree = self.tree.take().unwrap_or(Tree::Null);
        if self.given == Structure::Multipart
            && let Some(name) = structure::file_in(&tree)
        {
            return Err(Halt::new(format!(
                "the form's file {name} can't be written anew: drop it, or pick what is to be sent"
            )));
        }
        let max = self.limits.output_bytes_max;
        let too_long = || Halt::new(format!("the body would have more than {max} bytes"));
        self.message.body = match (wanted, tree) {
            (Structure::Json, tree) => Bytes::from(tree::write(&tree, max).ok_or_else(too_long)?),
            (Structure::Form, tree) => Bytes::from(form::write(&tree)?),
            (Structure::Multipart | Structure::Xml | Structure::Other, Tree::Text(text)) => {
                Bytes::copy_from_slice(text.bytes())
            }
            (Structure::Multipart | Structure::Xml | Structure::Other, tree) => {
                return Err(Halt::new(format!(
                    "the body is {} and can only be written as JSON or as a form",
                    tree.kind()
                )));
            }
        };
        if self.declared.is_none() && self.given != Structure::Json {
            self.message.set_header("content-type", "application/json");
        }
        self.message.say_utf8();
        Ok(())
    }
}
