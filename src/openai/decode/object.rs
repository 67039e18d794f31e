//! How wire objects are read: known members into fields, the names of the others into [`Unknown`].
//!
//! serde's own `flatten` would buffer every object that has a catch-all, and its derive accepts an array in
//! the place of an object. The [`object!`] macro writes the visitor that does neither.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};

/// Declares a wire object: `"name on the wire" => field: Type`. Each field is an `Option`: absent and `null`
/// are the same; a member given twice is an error, because two readers of such a body would disagree.
/// What takes the other members is named last.
macro_rules! object {
    (
        $(#[$meta:meta])*
        struct $name:ident<$life:lifetime> {
            $($(#[$field_meta:meta])* $key:literal => $field:ident: $ty:ty,)*
            ..$rest:ty
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub(super) struct $name<$life> {
            $($(#[$field_meta])* pub(super) $field: Option<$ty>,)*
            pub(super) rest: $rest,
        }

        impl<$life> serde::Deserialize<$life> for $name<$life> {
            fn deserialize<D: serde::Deserializer<$life>>(deserializer: D) -> Result<Self, D::Error> {
                struct Members;

                impl<$life> serde::de::Visitor<$life> for Members {
                    type Value = $name<$life>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<$life>>(
                        self,
                        mut map: A,
                    ) -> Result<Self::Value, A::Error> {
                        $(let mut $field: Option<Option<$ty>> = None;)*
                        let mut rest = <$rest>::default();
                        while let Some(key) = map.next_key::<$crate::openai::decode::object::Str<$life>>()? {
                            match &*key {
                                $($key => {
                                    if $field.is_some() {
                                        return Err(serde::de::Error::duplicate_field($key));
                                    }
                                    $field = Some(map.next_value()?);
                                })*
                                _ => $crate::openai::decode::object::Others::take(&mut rest, key, &mut map)?,
                            }
                        }
                        Ok($name { $($field: $field.flatten(),)* rest })
                    }
                }

                deserializer.deserialize_map(Members)
            }
        }
    };
}
pub(super) use object;

/// Takes the members of an object that have no field.
pub(super) trait Others<'a> {
    fn take<A: MapAccess<'a>>(&mut self, key: Str<'a>, map: &mut A) -> Result<(), A::Error>;
}

/// Names of members that aren't known here: the first few, and whether there were more.
#[derive(Debug, Default)]
pub(super) struct Unknown<'a> {
    pub(super) keys: Vec<Str<'a>>,
    pub(super) more: bool,
}

/// Unknown members of one object that are named.
const MOST_NAMED: usize = 16;

impl<'a> Others<'a> for Unknown<'a> {
    fn take<A: MapAccess<'a>>(&mut self, key: Str<'a>, map: &mut A) -> Result<(), A::Error> {
        map.next_value::<IgnoredAny>()?;
        if self.keys.len() < MOST_NAMED {
            self.keys.push(key);
        } else {
            self.more = true;
        }
        Ok(())
    }
}

/// A string, borrowed from the body unless it has escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Str<'a>(Cow<'a, str>);

impl From<String> for Str<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl Str<'_> {
    pub(super) fn into_owned(self) -> String {
        self.0.into_owned()
    }
}

impl Deref for Str<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> Deserialize<'a> for Str<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct StrVisitor;

        impl<'a> Visitor<'a> for StrVisitor {
            type Value = Str<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(StrVisitor)
    }
}

/// An integer. Some clients know one kind of number and write `100.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole(pub(super) i64);

impl<'a> Deserialize<'a> for Whole {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyNumber;

        impl Visitor<'_> for AnyNumber {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Whole, E> {
                Ok(Whole(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
                let unexpected = Unexpected::Unsigned(number);
                i64::try_from(number).map(Whole).map_err(|_| E::invalid_value(unexpected, &self))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Whole, E> {
                // Up to here every integer has a float of its own.
                const MOST: f64 = 9_007_199_254_740_992.0;
                let unexpected = Unexpected::Float(number);
                if number.fract() != 0.0 {
                    return Err(E::invalid_type(unexpected, &self));
                }
                if number.abs() > MOST {
                    return Err(E::invalid_value(unexpected, &self));
                }
                #[expect(clippy::cast_possible_truncation, reason = "it is an integer, and small enough")]
                Ok(Whole(number as i64))
            }
        }

        deserializer.deserialize_i64(AnyNumber)
    }
}

/// An object, or what near-miss clients write where one belongs.
#[derive(Debug)]
pub(super) enum Loose<'a, T> {
    /// The object.
    Object(T),
    /// A plain string.
    Text(Str<'a>),
    /// Nothing, in a list.
    Null,
}

impl<'a, T: Deserialize<'a>> Deserialize<'a> for Loose<'a, T> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyOf<T>(PhantomData<T>);

        impl<'a, T: Deserialize<'a>> Visitor<'a> for AnyOf<T> {
            type Value = Loose<'a, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<Self::Value, E> {
                Ok(Loose::Text(Str(Cow::Borrowed(text))))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Loose::Text(Str(Cow::Owned(text.to_owned()))))
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Loose::Null)
            }

            fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Loose::Object)
            }
        }

        deserializer.deserialize_any(AnyOf(PhantomData))
    }
}

/// An object whose members' names are the client's own, in its order. A name given twice is an error, and so are more
/// than 256 members.
#[derive(Debug)]
pub(super) struct Pairs<'a, T>(pub(super) Vec<(Str<'a>, T)>);

impl<'a, T: Deserialize<'a>> Deserialize<'a> for Pairs<'a, T> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        const MOST: usize = 256;

        struct Members<'a, T>(PhantomData<(&'a (), T)>);

        impl<'a, T: Deserialize<'a>> Visitor<'a> for Members<'a, T> {
            type Value = Pairs<'a, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs: Vec<(Str<'a>, T)> = Vec::new();
                while let Some(key) = map.next_key::<Str<'a>>()? {
                    if pairs.iter().any(|(known, _)| *known == key) {
                        return Err(A::Error::custom("a member is given twice"));
                    }
                    if pairs.len() == MOST {
                        return Err(A::Error::custom(format_args!("at most {MOST} members are allowed")));
                    }
                    pairs.push((key, map.next_value()?));
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// An array of at most `MOST` items: a few bytes of `{},` would otherwise become hundreds in memory each.
#[derive(Debug)]
pub(super) struct Array<T, const MOST: usize>(pub(super) Vec<T>);

impl<T, const MOST: usize> Deref for Array<T, MOST> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T: Deserialize<'a>, const MOST: usize> Deserialize<'a> for Array<T, MOST> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const MOST: usize>(PhantomData<T>);

        impl<'a, T: Deserialize<'a>, const MOST: usize> Visitor<'a> for Items<T, MOST> {
            type Value = Array<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    if items.len() == MOST {
                        return Err(A::Error::custom(format_args!("at most {MOST} items are allowed")));
                    }
                    items.push(item);
                }
                Ok(Array(items))
            }
        }

        deserializer.deserialize_seq(Items(PhantomData))
    }
}
