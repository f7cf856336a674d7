//! Questions of the same meaning together.
//!
//! Leader clustering, and then a second look: in the order given, each question joins the nearest cluster that is near
//! enough, or begins one; then clusters whose centres are near join, and each question moves to its nearest centre. No
//! chance is involved, and it takes as many comparisons as questions times clusters.

/// Cosine from which two questions ask the same, once what all questions have in common is taken off their vectors.
pub(super) const SAME: f32 = 0.5;

/// Questions that ask the same.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cluster {
    /// Their places, in order.
    pub(super) members: Vec<usize>,
    /// The place of the one that is nearest to the others.
    pub(super) medoid: usize,
    /// Their mean direction.
    pub(super) centroid: Vec<f32>,
}

/// Parts the vectors into clusters, none of them empty.
pub(super) fn clusters(vectors: &[&[f32]]) -> Vec<Cluster> {
    let mut groups: Vec<(Vec<usize>, Vec<f32>)> = Vec::new();
    for (place, vector) in vectors.iter().enumerate() {
        match nearest(&groups, vector) {
            Some((group, near)) if near >= SAME => {
                groups[group].0.push(place);
                groups[group].1 = centre(&groups[group].0, vectors);
            }
            _ => groups.push((vec![place], vector.to_vec())),
        }
    }
    join(&mut groups, vectors);
    let centres: Vec<_> = groups.iter().map(|(_, centre)| (Vec::new(), centre.clone())).collect();
    let mut moved: Vec<Vec<usize>> = vec![Vec::new(); centres.len()];
    for (place, vector) in vectors.iter().enumerate() {
        if let Some((group, _)) = nearest(&centres, vector) {
            moved[group].push(place);
        }
    }
    moved
        .into_iter()
        .filter(|members| !members.is_empty())
        .map(|members| {
            let centroid = centre(&members, vectors);
            let medoid = medoid(&members, vectors, &centroid);
            Cluster { members, medoid, centroid }
        })
        .collect()
}

/// Joins groups whose centres are near, the nearest pair first.
fn join(groups: &mut Vec<(Vec<usize>, Vec<f32>)>, vectors: &[&[f32]]) {
    loop {
        let mut best: Option<(f32, usize, usize)> = None;
        for b in 1..groups.len() {
            for a in 0..b {
                let near = cosine(&groups[a].1, &groups[b].1);
                if near >= SAME && best.is_none_or(|(known, ..)| near > known) {
                    best = Some((near, a, b));
                }
            }
        }
        let Some((_, a, b)) = best else { return };
        let (members, _) = groups.remove(b);
        groups[a].0.extend(members);
        groups[a].1 = centre(&groups[a].0, vectors);
    }
}

fn nearest(groups: &[(Vec<usize>, Vec<f32>)], vector: &[f32]) -> Option<(usize, f32)> {
    groups
        .iter()
        .enumerate()
        .map(|(group, (_, centre))| (group, cosine(centre, vector)))
        // The first of equals.
        .reduce(|best, other| if other.1 > best.1 { other } else { best })
}

fn centre(members: &[usize], vectors: &[&[f32]]) -> Vec<f32> {
    let mut sum = vec![0.0; members.first().map_or(0, |place| vectors[*place].len())];
    for place in members {
        let norm = cosine_norm(vectors[*place]);
        sum.iter_mut().zip(vectors[*place]).for_each(|(sum, value)| *sum += value / norm);
    }
    sum
}

fn medoid(members: &[usize], vectors: &[&[f32]], centroid: &[f32]) -> usize {
    let near = |place: &usize| cosine(vectors[*place], centroid);
    let best =
        members.iter().copied().reduce(|best, other| if near(&other) > near(&best) { other } else { best });
    best.unwrap_or_default()
}

/// Cosine of two vectors; 0 where one of them has no direction.
pub(super) fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    dot / (cosine_norm(a) * cosine_norm(b))
}

fn cosine_norm(vector: &[f32]) -> f32 {
    vector.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(vectors: &[[f32; 2]]) -> Vec<Vec<usize>> {
        let vectors: Vec<&[f32]> = vectors.iter().map(<[f32; 2]>::as_slice).collect();
        clusters(&vectors).into_iter().map(|cluster| cluster.members).collect()
    }

    #[test]
    fn what_is_near_comes_together() {
        assert_eq!(members(&[[1.0, 0.0], [0.0, 1.0], [0.9, 0.1], [0.1, 2.0]]), [vec![0, 2], vec![1, 3]]);
        assert_eq!(members(&[[1.0, 0.0]]), [vec![0]]);
        assert!(members(&[]).is_empty());
    }

    #[test]
    fn the_order_decides_nothing_that_is_clear() {
        // The first comes between two clusters, and belongs to the one that grows nearer.
        let found = members(&[[1.0, 0.62], [1.0, 0.0], [0.0, 1.0], [1.0, 0.1], [0.1, 1.0], [1.0, 0.2]]);
        assert_eq!(found, [vec![0, 1, 3, 5], vec![2, 4]]);
    }

    #[test]
    fn the_medoid_is_the_one_in_the_middle() {
        let vectors: [&[f32]; 3] = [&[1.0, 0.3], &[1.0, 0.0], &[1.0, 0.15]];
        assert_eq!(clusters(&vectors)[0].medoid, 2);
    }
}
