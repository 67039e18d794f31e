//! Whether references lead back to where they stand.

use std::collections::HashMap;

use super::pointers::{Address, Pointers, reference};
use super::tree::Node;
use super::{Place, Unfit, subschemas};

/// Every reference leads to somewhere in the schema, and none back to where it stands.
///
/// What a reference leads to is looked at wherever it stands, in a map of definitions or not. Each schema is looked at
/// once: the cost is that of the schema's length.
pub(super) fn are_straight(root: &Node<'_>) -> Result<(), Unfit> {
    let mut pointers = Pointers::new(root);
    let mut seen = HashMap::new();
    // The way from the root to the schema that is looked at, with what is left to do at each step: no recursion, since
    // the way along references is as long as the schema is wide.
    let mut way = vec![Step::new(root, &mut pointers, &mut seen)?];
    while let Some(step) = way.last_mut() {
        let Some((next, pointer)) = step.ahead.pop() else {
            seen.insert(Address::of(step.schema), Seen::Done);
            way.pop();
            continue;
        };
        match seen.get(&Address::of(next)) {
            Some(Seen::Done) => {}
            Some(Seen::OnTheWay) => {
                let at = pointer.unwrap_or_else(|| Place::Root.to_string());
                return Err(Unfit { at, why: "recursive_schema" });
            }
            None => way.push(Step::new(next, &mut pointers, &mut seen)?),
        }
    }
    Ok(())
}

enum Seen {
    OnTheWay,
    Done,
}

struct Step<'n, 'a> {
    schema: &'n Node<'a>,
    /// Schemas to go to, with the reference that leads there.
    ahead: Vec<(&'n Node<'a>, Option<String>)>,
}

impl<'n, 'a> Step<'n, 'a> {
    fn new(
        schema: &'n Node<'a>,
        pointers: &mut Pointers<'n, 'a>,
        seen: &mut HashMap<Address, Seen>,
    ) -> Result<Self, Unfit> {
        seen.insert(Address::of(schema), Seen::OnTheWay);
        let mut ahead: Vec<_> = subschemas(schema).map(|schema| (schema, None)).collect();
        if let Some(pointer) = reference(schema).map(std::borrow::Cow::into_owned) {
            let Some(target) = pointers.at(&pointer) else {
                return Err(Unfit { at: pointer, why: "unknown_reference" });
            };
            ahead.push((target, Some(pointer)));
        }
        Ok(Self { schema, ahead })
    }
}
