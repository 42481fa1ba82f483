//! Strongly connected components of a graph of classes, in Tarjan's way without recursion.

/// The components, each sorted, every one after those that its members point to.
pub(super) fn components<'a, E>(count: usize, edges: impl Fn(u32) -> E) -> Vec<Vec<u32>>
where
    E: Iterator<Item = &'a u32>,
{
    const UNSEEN: u32 = u32::MAX;
    let mut index = vec![UNSEEN; count];
    let mut low = vec![0u32; count];
    let mut on_stack = vec![false; count];
    let (mut stack, mut found, mut next) = (Vec::new(), Vec::new(), 0u32);
    for root in 0..count as u32 {
        if index[root as usize] != UNSEEN {
            continue;
        }
        // Each frame is a node and the edges it has yet to follow.
        let mut frames: Vec<(u32, E)> = Vec::new();
        let mut enter = Some(root);
        loop {
            if let Some(node) = enter.take() {
                index[node as usize] = next;
                low[node as usize] = next;
                next += 1;
                stack.push(node);
                on_stack[node as usize] = true;
                frames.push((node, edges(node)));
            }
            let Some((node, rest)) = frames.last_mut() else { break };
            let here = *node as usize;
            if let Some(&to) = rest.next() {
                if index[to as usize] == UNSEEN {
                    enter = Some(to);
                } else if on_stack[to as usize] {
                    low[here] = low[here].min(index[to as usize]);
                }
                continue;
            }
            frames.pop();
            if let Some((parent, _)) = frames.last() {
                let parent = *parent as usize;
                low[parent] = low[parent].min(low[here]);
            }
            if low[here] == index[here] {
                let start = stack.iter().rposition(|&member| member as usize == here).unwrap_or(0);
                let mut members = stack.split_off(start);
                members.iter().for_each(|&member| on_stack[member as usize] = false);
                members.sort_unstable();
                found.push(members);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::components;

    #[test]
    fn operands_come_first() {
        let edges: [&[u32]; 6] = [&[1], &[2, 3], &[1], &[4], &[], &[0]];
        assert_eq!(components(6, |node| edges[node as usize].iter()), [vec![4], vec![3], vec![1, 2], vec![0], vec![5]]);
    }

    #[test]
    fn long_chains_do_not_recurse() {
        let edges: Vec<Vec<u32>> =
            (0..200_000u32).map(|node| if node == 199_999 { vec![] } else { vec![node + 1] }).collect();
        assert_eq!(components(edges.len(), |node| edges[node as usize].iter()).len(), edges.len());
    }
}
