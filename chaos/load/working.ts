/** What handlers of runs do. */
import { pause } from '../clock.ts';

/** Fulfilled after so many ms; rejected when the signal says stop. */
export async function worked(workMs: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('the handler was told to stop')), { once: true });
  });
  await Promise.race([pause(workMs), stopped]);
}
