/**
 * Loaded into a peer before its program: at each SIGUSR2 its wall clock moves on to the next of the offsets that the environment
 * names, in ms from the true time, as a clock does that somebody sets. Monotonic time goes on as it did.
 */
const offsets = (process.env['TASKRAFT_CHAOS_CLOCK'] ?? '').split(',').filter(Boolean).map(Number);
const trueNow: () => number = Date.now.bind(Date);
let offsetMs = 0;

Date.now = () => trueNow() + offsetMs;
process.on('SIGUSR2', () => {
  offsetMs = offsets.shift() ?? 0;
});
