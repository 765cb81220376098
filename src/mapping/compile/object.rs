//! Targets of a rule, put together into the tree of the resource.

use super::super::file::{RawRule, RawValue, Text};
use super::super::program::{Alternative, Body, Item, Member, Object, Required};
use super::super::sentence;
use super::super::target::{self, Step, Target};
use super::line::Goal;
use super::{Compiler, Scope, path};
use crate::fault::{Fault, codes as w};
use crate::fhir::tables::{self, Element};

/// One target being placed.
struct Place<'t> {
    target: &'t Text,
    value: &'t RawValue,
    scope: &'t Scope,
}

impl Compiler<'_> {
    /// All targets of a rule.
    pub(super) fn object(
        &mut self,
        rule: &RawRule,
        make: &'static str,
        scope: &Scope,
    ) -> Option<Object> {
        let mut root = Object::default();
        for (target, value) in &rule.set {
            let place = Place { target, value, scope };
            self.target(&mut root, make, &place);
        }
        self.finish(&mut root, make, &rule.name, true);
        Some(root)
    }

    fn target(&mut self, object: &mut Object, container: &'static str, place: &Place<'_>) {
        match target::read(&place.target.text) {
            Err((span, cause)) => {
                self.report.error(w::W4005, &place.target.inside(&span), cause);
            }
            Ok(Target::Element(steps)) => {
                self.place(object, container, &steps, place);
            }
            Ok(Target::Extension { name, on, span }) => {
                let span = place.target.inside(&span);
                self.extension(object, container, (&name, on.as_ref(), span), place);
            }
        }
    }

    /// Finds the element of a step; the types it may have come with it.
    fn step(
        &mut self,
        container: &'static str,
        step: &Step,
        place: &Place<'_>,
    ) -> Option<(&'static Element, Vec<&'static str>)> {
        let children = tables::children(container)?;
        if let Some(element) = children.iter().find(|e| e.name() == step.name) {
            let types = match element.content_ref {
                Some(_) => vec!["BackboneElement"],
                None => element.types.to_vec(),
            };
            return Some((element, types));
        }
        if let Some((element, ty)) = tables::resolve(container, &step.name)
            && !step.name.starts_with('_')
        {
            return Some((element, vec![ty]));
        }
        let cause = format!("{container} has no `{}`", step.name);
        let known = children.iter().map(Element::name);
        let span = place.target.inside(&step.span);
        self.report.unknown(w::W4005, &span, cause, (&step.name, known));
        None
    }

    fn place(
        &mut self,
        object: &mut Object,
        container: &'static str,
        steps: &[Step],
        place: &Place<'_>,
    ) -> Option<()> {
        let (step, rest) = steps.split_first()?;
        let (element, types) = self.step(container, step, place)?;
        let span = place.target.inside(&step.span);
        if element.is_list() && step.instance.is_none() {
            let cause = format!("{} is a list: write `{}[]`", element.path, step.name);
            self.report.error(w::W4006, &span, cause);
            return None;
        }
        if !element.is_list() && step.instance.is_some() {
            let cause = format!("{} holds one value: write `{}`", element.path, step.name);
            self.report.error(w::W4006, &span, cause);
            return None;
        }
        let instance = step.instance.clone().unwrap_or_default();
        let member = member_of(object, element);
        if rest.is_empty()
            && let RawValue::Sentences(texts) = place.value
        {
            return self.leaf(member, (element, types, &instance), texts, place);
        }
        if let RawValue::Removed = place.value {
            let cause = "`false` removes a line of a mapping that is extended";
            self.report.error(w::W4002, &place.target.span, cause);
            return None;
        }
        let [ty] = types.as_slice() else {
            let names: Vec<_> = types.iter().map(|ty| element.member(ty)).collect();
            let cause = format!("name the type: `{}`", names.join("`, `"));
            self.report.error(w::W4008, &span, cause);
            return None;
        };
        if tables::is_primitive(ty) {
            self.report.error(w::W4005, &span, format!("{} has no members", element.path));
            return None;
        }
        let inside = element.inside(ty);
        let name = element.member(ty);
        let at = match member.items.iter().position(|item| *item.instance == *instance) {
            Some(at) => at,
            None => {
                let body = Body::Object(Object::default());
                let (instance, name) = (instance.as_str().into(), name.as_str().into());
                member.items.push(Item { instance, name, when: None, body });
                member.items.len() - 1
            }
        };
        let item = member.items.get_mut(at)?;
        let Body::Object(inner) = &mut item.body else {
            self.report.error(w::W4018, &span, format!("`{}`", place.target.text));
            return None;
        };
        if !rest.is_empty() {
            return self.place(inner, inside, rest, place);
        }
        let RawValue::Table(entries) = place.value else { return None };
        let mut when = None;
        for (key, value) in entries {
            let place = Place { target: key, value, scope: place.scope };
            match (key.text.as_str(), value) {
                ("when", RawValue::Sentences(texts)) => {
                    for text in texts {
                        when = self.when(text, place.scope);
                    }
                }
                _ => self.target(inner, inside, &place),
            }
        }
        item.when = when;
        Some(())
    }

    fn when(
        &mut self,
        text: &Text,
        scope: &Scope,
    ) -> Option<sentence::Condition<super::super::pick::Pick>> {
        match sentence::condition(&text.text, self.form()) {
            Ok(condition) => self.resolve_condition(&condition, text, scope, path::Inside::Rule),
            Err(wrong) => {
                self.syntax(text, wrong);
                None
            }
        }
    }

    /// Sentences for an element itself.
    fn leaf(
        &mut self,
        member: &mut Member,
        (element, types, instance): (&'static Element, Vec<&'static str>, &str),
        texts: &[Text],
        place: &Place<'_>,
    ) -> Option<()> {
        let append = element.is_list() && instance.is_empty();
        let goal = Goal { element, types, many: append };
        let name: Box<str> = element.name().into();
        let item = |body| Item { instance: instance.into(), name: name.clone(), when: None, body };
        if append {
            for text in texts {
                let one = self.alternatives(std::slice::from_ref(text), &goal, place.scope);
                member.items.push(item(Body::Value(one)));
            }
            return Some(());
        }
        if member.items.iter().any(|item| *item.instance == *instance) {
            let cause = format!("`{}`", place.target.text);
            self.report.error(w::W4018, &place.target.span, cause);
            return None;
        }
        let all = self.alternatives(texts, &goal, place.scope);
        member.items.push(item(Body::Value(all)));
        Some(())
    }

    fn extension(
        &mut self,
        object: &mut Object,
        container: &'static str,
        (name, on, span): (&str, Option<&Step>, std::ops::Range<usize>),
        place: &Place<'_>,
    ) -> Option<()> {
        let site = self.extensions.iter().find(|(known, ..)| known == name);
        let (url, types): (Box<str>, Vec<&'static str>) = match site {
            Some((_, url, ty)) => (url.clone(), vec![*ty]),
            None => match tables::extension(name) {
                Some(known) if known.value.is_empty() => {
                    let cause = format!("`{name}` is made of parts, which cannot be set yet");
                    self.report.error(w::W4005, &span, cause);
                    return None;
                }
                Some(known) => (known.url.into(), known.value.clone()),
                None => {
                    let cause =
                        format!("`{name}` is neither an extension of R4 nor under `[extension]`");
                    let known = tables::extensions().map(|e| e.id);
                    self.report.unknown(w::W4005, &span, cause, (name, known));
                    return None;
                }
            },
        };
        let RawValue::Sentences(texts) = place.value else {
            self.report.error(w::W4002, &place.target.span, "expected a sentence");
            return None;
        };
        let goal = Goal { element: tables::element("Extension.value[x]")?, types, many: true };
        let value = self.alternatives(texts, &goal, place.scope);
        let (element, shadow) = match on {
            None => (tables::children(container)?.iter().find(|e| e.name() == "extension")?, false),
            Some(step) => (self.step(container, step, place)?.0, true),
        };
        if shadow && (element.is_list() || element.is_choice()) {
            let cause = format!("extensions on {} cannot be set yet", element.path);
            self.report.error(w::W4005, &place.target.span, cause);
            return None;
        }
        let name: Box<str> = element.name().into();
        let body = Body::Extension { url, value, shadow };
        member_of_kind(object, element, shadow).items.push(Item {
            instance: "".into(),
            name,
            when: None,
            body,
        });
        Some(())
    }

    /// Puts members into order and looks whether those demanded are there.
    fn finish(&mut self, object: &mut Object, container: &'static str, at: &Text, root: bool) {
        let Some(children) = tables::children(container) else { return };
        let rank = |member: &Member| {
            children.iter().position(|e| std::ptr::eq(e, member.element)).unwrap_or(usize::MAX)
        };
        object.members.sort_by_key(|member| (rank(member), member.shadow));
        for member in &mut object.members {
            if !member.list && !member.shadow && member.items.len() > 1 {
                let cause = format!("`{}`", member.element.name());
                self.report.error(w::W4018, &at.span, cause);
            }
            for item in &mut member.items {
                if let Body::Object(inner) = &mut item.body
                    && let Some(inside) = inside_of(member.element, &item.name)
                {
                    self.finish(inner, inside, at, false);
                }
            }
        }
        object.root = root;
        for element in children.iter().filter(|e| e.min > 0) {
            object.required.push(required(element, children));
            let member =
                object.members.iter().find(|m| std::ptr::eq(m.element, element) && !m.shadow);
            match member {
                None => {
                    let cause = format!("nothing sets {}", element.path);
                    self.report.error(w::W4012, &at.span, cause);
                }
                // Nested elements vanish whole when the message has nothing for them.
                Some(member) if root && member.items.iter().all(is_uncertain) => {
                    let cause = format!("{} has no value that is certain", element.path);
                    let span = member.items.iter().find_map(|item| match &item.body {
                        Body::Value(list) => list.last().map(|alternative| alternative.line),
                        _ => None,
                    });
                    let span = span.and_then(|line| self.lines.get(line as usize).cloned());
                    let fault = Fault::new(w::W4012).because(cause);
                    self.report.warning(fault, &span.unwrap_or_else(|| at.span.clone()));
                }
                Some(_) => {}
            }
        }
        object.dynamic = object.members.iter().flat_map(|m| &m.items).any(is_dynamic);
    }
}

/// What is done about an element FHIR demands.
fn required(element: &'static Element, order: &'static [Element]) -> Required {
    let names = element.types.iter().map(|ty| element.member(ty).into()).collect();
    let absent = element.types.first().and_then(|ty| match *ty {
        "BackboneElement" | "Element" | "Extension" | "Resource" => None,
        ty if tables::is_primitive(ty) => Some(format!("_{}", element.member(ty)).into()),
        ty => Some(element.member(ty).into()),
    });
    Required { element, names, absent, order }
}

/// Path under which the members of an element's value are found, by its JSON name.
fn inside_of(element: &'static Element, name: &str) -> Option<&'static str> {
    if element.content_ref.is_some() {
        return Some(element.inside("BackboneElement"));
    }
    let ty = element.types.iter().find(|ty| element.member(ty) == name)?;
    Some(element.inside(ty))
}

fn member_of<'o>(object: &'o mut Object, element: &'static Element) -> &'o mut Member {
    member_of_kind(object, element, false)
}

fn member_of_kind<'o>(
    object: &'o mut Object,
    element: &'static Element,
    shadow: bool,
) -> &'o mut Member {
    let found =
        object.members.iter().position(|m| std::ptr::eq(m.element, element) && m.shadow == shadow);
    let at = found.unwrap_or(object.members.len());
    if found.is_none() {
        let list = element.is_list();
        let shadow_name = format!("_{}", element.name()).into();
        object.members.push(Member { element, list, shadow, shadow_name, items: Vec::new() });
    }
    #[expect(clippy::indexing_slicing, reason = "the member was found or pushed just now")]
    &mut object.members[at]
}

/// Whether an item always gives a value.
fn is_certain(item: &Item) -> bool {
    item.when.is_none()
        && match &item.body {
            Body::Value(list) => list.iter().any(|a| a.is_certain() || a.certain),
            Body::Object(inner) => {
                !inner.dynamic || inner.members.iter().flat_map(|m| &m.items).any(is_certain)
            }
            Body::Extension { .. } => false,
        }
}

/// Whether an item may give no value; one with a mistake is not spoken of twice.
fn is_uncertain(item: &Item) -> bool {
    let broken = matches!(&item.body, Body::Value(list) if list.is_empty());
    !broken && !is_certain(item)
}

/// Whether an item gives something of the message, not only fixed values.
fn is_dynamic(item: &Item) -> bool {
    match &item.body {
        Body::Value(list) => !list.iter().all(Alternative::is_constant),
        Body::Object(inner) => inner.dynamic,
        Body::Extension { value, .. } => !value.iter().all(Alternative::is_constant),
    }
}
