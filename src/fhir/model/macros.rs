//! Structs, choices and codes from one line a member.

/// A struct with its place in JSON. `data` adds the members of Element, `backbone` those of
/// BackboneElement, `resource` those of Resource and `domain` those of DomainResource.
macro_rules! record {
    (data $name:ident { $($rest:tt)* }) => {
        record! { @ $name "" {
            id "id": Option<String>,
            extension "extension": Vec<Extension>,
            $($rest)*
        } }
    };
    (backbone $name:ident { $($rest:tt)* }) => {
        record! { @ $name "" {
            id "id": Option<String>,
            extension "extension": Vec<Extension>,
            modifier_extension "modifierExtension": Vec<Extension>,
            $($rest)*
        } }
    };
    (resource $name:ident $resource:literal { $($rest:tt)* }) => {
        record! { @ $name $resource {
            id "id": Primitive<String>,
            meta "meta": Option<Box<Meta>>,
            implicit_rules "implicitRules": Primitive<String>,
            language "language": Primitive<String>,
            $($rest)*
        } }
    };
    (domain $name:ident $resource:literal { $($rest:tt)* }) => {
        record! { resource $name $resource {
            text "text": Option<Box<Narrative>>,
            contained "contained": Vec<Any>,
            extension "extension": Vec<Extension>,
            modifier_extension "modifierExtension": Vec<Extension>,
            $($rest)*
        } }
    };
    (@ $name:ident $resource:literal {
        $($field:ident $first:literal $(| $more:literal)*: $ty:ty,)*
    }) => {
        #[derive(Clone, Default)]
        pub struct $name {
            $(pub $field: $ty,)*
            pub extra: Extra,
        }

        impl Record for $name {
            fn resource(&self) -> &'static str {
                $resource
            }

            fn slot(&mut self, name: &str) -> Option<&mut dyn Slot> {
                match name {
                    $($first $(| $more)* => Some(&mut self.$field),)*
                    _ => None,
                }
            }

            fn each(&self, f: &mut dyn FnMut(&'static str, &dyn Slot)) {
                $(f($first, &self.$field);)*
            }

            fn extra(&self) -> &Extra {
                &self.extra
            }

            fn extra_mut(&mut self) -> &mut Extra {
                &mut self.extra
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(<phi>)"))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                crate::fhir::model::same(self, other)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                crate::fhir::model::serialize(self, out)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                crate::fhir::model::deserialize(from)
            }
        }
    };
}

/// A choice of types.
macro_rules! choice {
    ($name:ident { $($variant:ident $json:literal: $ty:ty,)* }) => {
        #[derive(Clone)]
        pub enum $name {
            $($variant($ty),)*
        }

        impl Choice for $name {
            fn of(name: &str) -> Option<Self> {
                match name {
                    $($json => Some(Self::$variant(Default::default())),)*
                    _ => None,
                }
            }

            fn slot(&self) -> (&'static str, &dyn Slot) {
                match self {
                    $(Self::$variant(value) => ($json, value),)*
                }
            }

            fn slot_mut(&mut self) -> &mut dyn Slot {
                match self {
                    $(Self::$variant(value) => value,)*
                }
            }
        }

        impl Slot for Option<$name> {
            fn read(
                &mut self,
                name: &str,
                value: Option<Node<'_>>,
                beside: Option<Node<'_>>,
            ) -> Result<(), Fault> {
                match $name::of(name) {
                    Some(choice) => self.insert(choice).slot_mut().read(name, value, beside),
                    None => Ok(()),
                }
            }

            fn write(&self, _: &'static str, out: &mut Builder) {
                if let Some((name, slot)) = self.as_ref().map(Choice::slot) {
                    slot.write(name, out);
                }
            }

            fn is_empty(&self) -> bool {
                self.is_none()
            }

            fn is_primitive(&self) -> bool {
                true
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(<phi>)"))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                crate::fhir::model::same_choice(self, other)
            }
        }
    };
}

/// The codes of a value set.
macro_rules! codes {
    ($name:ident { $($variant:ident $code:literal,)* }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($variant,)*
        }

        impl Code for $name {
            const ALL: &'static [(&'static str, Self)] = &[$(($code, Self::$variant),)*];
        }
    };
}
