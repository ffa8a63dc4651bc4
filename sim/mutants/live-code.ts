/**
 * Puts other functions into a module that runs, as a debugger does for whoever edits while a program stands still.
 *
 * A process in which seeds have run for a while runs the next one in a half to a third of the time that a new process takes: its code
 * is read, compiled and optimised. The engine compares the module's source with the new one function by function: what differs is exchanged
 * wherever it is referred to, optimised code that has it inside is thrown away, and all else stays. What cannot be exchanged is
 * refused as a whole: anything outside of functions, since a module is evaluated once, and fields that a class gets or loses, since
 * objects of it are there already.
 */
import { Session } from 'node:inspector/promises';

/** See the head of this file. */
export class LiveCode {
  readonly #session = new Session();
  readonly #forget: () => void;
  /** Identifiers of scripts by their URLs. One keeps its own through every exchange; what it was before lives on under others. */
  readonly #scripts: Map<string, string> = new Map();

  /** @param forget Lets go of all in which functions of earlier runs may wait. */
  constructor(forget: () => void) {
    this.#forget = forget;
    this.#session.connect();
    this.#session.on('Debugger.scriptParsed', ({ params: { url, scriptId } }) => {
      if (!this.#scripts.has(url)) this.#scripts.set(url, scriptId);
    });
  }

  /** Gives the module of `url` the functions of `source`. False when nothing was changed, because not all of it can be. */
  async replace(url: string, source: string): Promise<boolean> {
    const session = this.#session;
    await session.post('Debugger.enable');
    try {
      const scriptId = this.#scripts.get(url);
      if (scriptId === undefined) return false;
      if (await this.#exchange(scriptId, source)) return true;
      // What is left of earlier runs may wait within a function that changes. Collecting it costs the next run twice its time.
      this.#forget();
      await session.post('HeapProfiler.collectGarbage');
      return await this.#exchange(scriptId, source);
    } finally {
      // While it is on, promises are followed, which takes time.
      await session.post('Debugger.disable');
    }
  }

  async #exchange(scriptId: string, scriptSource: string): Promise<boolean> {
    const told: object = await this.#session.post('Debugger.setScriptSource', { scriptId, scriptSource });
    return 'status' in told && told.status === 'Ok';
  }
}
