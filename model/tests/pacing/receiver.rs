//! What the receiver saw, and whether that was more than was promised.

use model::delivery::Limit;

#[derive(Debug, Default)]
pub(crate) struct Receiver {
    /// Microseconds of true time.
    arrivals: Vec<u64>,
    in_flight: u32,
    pub(crate) in_flight_most: u32,
}

impl Receiver {
    pub(crate) fn begins(&mut self, at: u64) {
        self.arrivals.push(at);
        self.in_flight += 1;
        self.in_flight_most = self.in_flight_most.max(self.in_flight);
    }

    pub(crate) fn ends(&mut self) {
        self.in_flight -= 1;
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Every window that begins at an arrival and ends at one, within `[from, to)`: N·W and the burst.
    pub(crate) fn keeps(&self, limit: Limit, from: u64, to: u64) -> Result<(), String> {
        let Limit::Rate(rate) = limit else {
            return Ok(());
        };
        let within = |at: &&u64| (from..to).contains(*at);
        let arrivals: Vec<u64> = self.arrivals.iter().filter(within).copied().collect();
        // A bucket that may never overflow says the same of all windows in one pass.
        let (limit, period) = (u128::from(rate.limit), u128::from(rate.period_ms) * 1000);
        let burst = u128::from(rate.burst()) * period;
        let mut level = burst;
        let mut last = from;
        for (number, at) in arrivals.iter().enumerate() {
            level = (level + u128::from(at - last) * limit).min(burst);
            last = *at;
            if level < period {
                let around = &arrivals[number.saturating_sub(8)..=number];
                return Err(format!(
                    "I6: arrival {number} of {} at {at} is one too many after {around:?}",
                    arrivals.len()
                ));
            }
            level -= period;
        }
        Ok(())
    }
}
