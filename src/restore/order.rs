//! In which order objects are written: those that others can't be created without come first.
//!
//! Pure. Objects that need each other in a circle are one [`Group`]: their records are written in as many rounds as it takes.
//! References that may be empty never hold anything up, but are followed where nothing stands against it: each reference that
//! can be set at once is one update less.

use std::collections::{BTreeMap, BTreeSet};

/// What one object refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// A record can't be created without one of these.
    pub needs: BTreeSet<String>,
    /// May be set later.
    pub likes: BTreeSet<String>,
}

/// Objects that are written together.
pub type Group = Vec<String>;

/// The order in which to write these objects. References to objects that aren't among them are none of its business.
pub fn order(objects: &BTreeMap<String, References>) -> Vec<Group> {
    let mut groups = circles(objects);
    let mut ordered: Vec<Group> = Vec::with_capacity(groups.len());
    let mut written: BTreeSet<&str> = BTreeSet::new();
    let among = |name: &String| objects.contains_key(name);
    while !groups.is_empty() {
        let open = |group: &Group, likes: bool| -> usize {
            let refers = group.iter().filter_map(|name| objects.get(name));
            let wanted = refers.flat_map(|refers| if likes { &refers.likes } else { &refers.needs });
            wanted
                .filter(|name| among(name) && !written.contains(name.as_str()) && !group.contains(name))
                .collect::<BTreeSet<_>>()
                .len()
        };
        // Of those that nothing holds up, the one with the fewest references that it would have to set later.
        let next = groups
            .iter()
            .enumerate()
            .filter(|(_, group)| open(group, false) == 0)
            .min_by_key(|(_, group)| (open(group, true), group.first().cloned()))
            .map_or(0, |(position, _)| position);
        let group = groups.remove(next);
        for name in &group {
            if let Some((name, _)) = objects.get_key_value(name) {
                written.insert(name);
            }
        }
        ordered.push(group);
    }
    ordered
}

/// Objects by what they need in circles: strongly connected components (Tarjan), each sorted by name.
fn circles(objects: &BTreeMap<String, References>) -> Vec<Group> {
    let names: Vec<&String> = objects.keys().collect();
    let number: BTreeMap<&String, usize> = names.iter().enumerate().map(|(number, name)| (*name, number)).collect();
    let needs: Vec<Vec<usize>> = objects
        .values()
        .map(|refers| refers.needs.iter().filter_map(|name| number.get(name).copied()).collect())
        .collect();
    let mut search = Search {
        needs: &needs,
        seen: vec![None; names.len()],
        low: vec![0; names.len()],
        open: Vec::new(),
        groups: Vec::new(),
    };
    for start in 0..names.len() {
        search.visit(start);
    }
    let named = |group: Vec<usize>| {
        let mut group: Group = group.into_iter().map(|number| names[number].clone()).collect();
        group.sort();
        group
    };
    search.groups.into_iter().map(named).collect()
}

struct Search<'a> {
    needs: &'a [Vec<usize>],
    /// When each was seen first.
    seen: Vec<Option<usize>>,
    low: Vec<usize>,
    open: Vec<usize>,
    groups: Vec<Vec<usize>>,
}

impl Search<'_> {
    /// Depth first, with a stack of its own: chains may be longer than the guest's.
    fn visit(&mut self, start: usize) {
        if self.seen[start].is_some() {
            return;
        }
        let mut path = vec![(start, 0)];
        self.enter(start);
        while let Some((here, next)) = path.last_mut() {
            let here = *here;
            if let Some(to) = self.needs[here].get(*next).copied() {
                *next += 1;
                if self.seen[to].is_none() {
                    self.enter(to);
                    path.push((to, 0));
                } else if self.open.contains(&to) {
                    self.low[here] = self.low[here].min(self.seen[to].unwrap_or(0));
                }
                continue;
            }
            path.pop();
            if let Some((before, _)) = path.last() {
                self.low[*before] = self.low[*before].min(self.low[here]);
            }
            if Some(self.low[here]) == self.seen[here] {
                let from = self.open.iter().position(|open| *open == here).unwrap_or(0);
                self.groups.push(self.open.split_off(from));
            }
        }
    }

    fn enter(&mut self, number: usize) {
        let now = self.seen.iter().flatten().count();
        self.seen[number] = Some(now);
        self.low[number] = now;
        self.open.push(number);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn objects(edges: &[(&str, &str, bool)]) -> BTreeMap<String, References> {
        let mut objects: BTreeMap<String, References> = BTreeMap::new();
        for (from, to, needs) in edges {
            objects.entry((*to).to_owned()).or_default();
            let refers = objects.entry((*from).to_owned()).or_default();
            let set = if *needs { &mut refers.needs } else { &mut refers.likes };
            set.insert((*to).to_owned());
        }
        objects
    }

    fn flat(groups: &[Group]) -> Vec<&str> {
        groups.iter().flatten().map(String::as_str).collect()
    }

    #[test]
    fn what_is_needed_comes_first_and_what_is_liked_too_where_it_can() {
        let objects = objects(&[
            ("Contact", "Account", false),
            ("OpportunityLineItem", "Opportunity", true),
            ("OpportunityLineItem", "PricebookEntry", true),
            ("PricebookEntry", "Pricebook2", true),
            ("PricebookEntry", "Product2", true),
            ("Opportunity", "Account", false),
            ("Opportunity", "Pricebook2", false),
            ("Account", "Account", false),
        ]);
        let groups = order(&objects);
        let order = flat(&groups);
        let at = |name: &str| order.iter().position(|other| *other == name).unwrap();
        for (from, refers) in &objects {
            for to in refers.needs.iter().chain(&refers.likes).filter(|to| *to != from) {
                assert!(at(to) < at(from), "{to} before {from} in {order:?}");
            }
        }
        assert_eq!(groups.len(), objects.len());
    }

    #[test]
    fn a_circle_of_needs_is_one_group() {
        let objects = objects(&[
            ("A", "B", true),
            ("B", "C", true),
            ("C", "A", true),
            ("D", "A", true),
            ("A", "E", true),
        ]);
        assert_eq!(order(&objects), [vec!["E"], vec!["A", "B", "C"], vec!["D"]]);
    }

    #[test]
    fn a_circle_of_likes_holds_nothing_up() {
        let objects = objects(&[("A", "B", false), ("B", "A", false)]);
        assert_eq!(order(&objects).len(), 2);
    }

    proptest! {
        #[test]
        fn every_need_outside_of_a_circle_is_written_before(edges in prop::collection::vec((0u8..20, 0u8..20, any::<bool>()), 0..60)) {
            let named: Vec<(String, String, bool)> = edges.iter().map(|(a, b, n)| (format!("O{a}"), format!("O{b}"), *n)).collect();
            let refs: Vec<(&str, &str, bool)> = named.iter().map(|(a, b, n)| (a.as_str(), b.as_str(), *n)).collect();
            let objects = objects(&refs);
            let groups = order(&objects);
            let mut all = flat(&groups);
            all.sort_unstable();
            prop_assert_eq!(all, objects.keys().map(String::as_str).collect::<Vec<_>>());
            let group = |name: &String| groups.iter().position(|group| group.contains(name)).unwrap();
            for (from, refers) in &objects {
                for to in &refers.needs {
                    prop_assert!(group(to) <= group(from), "{} needs {}", from, to);
                }
            }
        }
    }
}
