//! Sharing something among those who need it: nobody gets more than it needs while another gets less than an even share.

/// Each one's part of `total`, in the order of `needs`. Together they are no more than `total`.
pub(super) fn parts(total: u32, needs: &[u32]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..needs.len()).collect();
    order.sort_by_key(|&at| needs[at]);
    let mut parts = vec![0; needs.len()];
    let mut left = total;
    let mut takers = u32::try_from(needs.len()).unwrap_or(u32::MAX);
    for at in order {
        let part = needs[at].min(left / takers.max(1));
        parts[at] = part;
        left -= part;
        takers -= 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn who_needs_little_gets_it_and_the_others_share_the_rest() {
        assert_eq!(parts(50, &[u32::MAX, 4, u32::MAX]), [23, 4, 23]);
        assert_eq!(parts(2, &[9, 9, 9]), [0, 1, 1]);
        assert_eq!(parts(50, &[1]), [1]);
        assert!(parts(50, &[]).is_empty());
    }

    proptest! {
        #[test]
        fn parts_are_fair_and_fit(total: u32, needs in prop::collection::vec(any::<u32>(), 0..9)) {
            let parts = parts(total, &needs);
            let sum: u64 = parts.iter().copied().map(u64::from).sum();
            prop_assert!(sum <= u64::from(total));
            for (part, need) in parts.iter().zip(&needs) {
                prop_assert!(part <= need);
                // Whoever gets less than it needs gets no less than anybody else, but for what can't be halved.
                let most = parts.iter().copied().max().unwrap_or(0);
                prop_assert!(part == need || part + 1 >= most);
            }
        }
    }
}
