//! Keys and values of one sequence on a device.

use candle_core::{Result, Tensor};

/// Fewest positions that room is made for.
const LEAST: usize = 256;

/// Keys and values of every layer, `[heads, positions, width]` each, with room behind the last position.
#[derive(Debug, Default)]
pub struct Cache {
    layers: Vec<[Tensor; 2]>,
}

impl Cache {
    /// Writes keys and values of a layer, `[heads, tokens, width]`, behind its first `length` positions and returns all.
    /// Layers come in their order when the first token is read.
    pub(super) fn put(&mut self, layer: usize, length: usize, new: &[Tensor; 2]) -> Result<&[Tensor; 2]> {
        let (heads, tokens, width) = new[0].dims3()?;
        let end = length + tokens;
        let room = || {
            let shape = (heads, end.next_power_of_two().max(LEAST), width);
            Tensor::zeros(shape, new[0].dtype(), new[0].device())
        };
        if layer == self.layers.len() {
            self.layers.push([room()?, room()?]);
        }
        let held = &mut self.layers[layer];
        for (held, new) in held.iter_mut().zip(new) {
            if held.dim(1)? < end {
                let larger = room()?;
                larger.slice_set(held, 1, 0)?;
                *held = larger;
            }
            held.slice_set(new, 1, length)?;
        }
        Ok(held)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, IndexOp};

    use super::*;

    fn numbered(first: usize, tokens: usize) -> Tensor {
        let values: Vec<f32> =
            (0..2 * tokens).map(|at| (at / tokens * 10_000 + first + at % tokens) as f32).collect();
        Tensor::from_vec(values, (2, tokens, 1), &Device::Cpu).unwrap()
    }

    #[test]
    fn positions_stay_where_they_are_when_room_is_made_and_when_some_are_written_again() {
        let mut cache = Cache::default();
        cache.put(0, 0, &[numbered(0, 200), numbered(500, 200)]).unwrap();
        cache.put(0, 200, &[numbered(7, 3), numbered(7, 3)]).unwrap();
        let [keys, values] = cache.put(0, 200, &[numbered(200, 100), numbered(700, 100)]).unwrap();
        let row =
            |tensor: &Tensor, head: usize| tensor.i((head, ..300, 0)).unwrap().to_vec1::<f32>().unwrap();
        for head in 0..2 {
            let expected: Vec<f32> = (0..300).map(|position| (head * 10_000 + position) as f32).collect();
            assert_eq!(row(keys, head), expected);
            assert_eq!(row(values, head), expected.iter().map(|value| value + 500.0).collect::<Vec<_>>());
        }
    }
}
