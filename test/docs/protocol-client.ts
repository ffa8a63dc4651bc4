/** A client and worker written from docs/PROTOCOL.md alone. It knows WebSockets and MessagePack, and nothing of this project's code. */
import { Packr } from 'msgpackr';
import { WebSocket } from 'ws';

type Row = readonly unknown[];
const packr = new Packr({ useRecords: false, int64AsType: 'auto' as 'number' });
const [ASSIGN, ERROR, LEADER, WELCOME] = [81, 67, 65, 64];
const RETRIED = new Set(['NOT_LEADER', 'NO_LEADER', 'SHUTTING_DOWN', 'OUTCOME_UNKNOWN', 'OVERLOADED', 'NOT_ATTACHED']);

export class ProtocolClient {
  #socket: WebSocket | undefined;
  #term = 0;
  #requestId = 0;
  #sequence = 0;
  #session = '';
  #beats: NodeJS.Timeout | undefined;
  readonly #waiting = new Map<number, (frame: Row) => void>();
  #work: ((payload: unknown) => unknown) | undefined;

  /** Connects to the peer at `url`, and goes on to the leader that it names. */
  async connect(url: string): Promise<void> {
    const welcome = await this.#open(url);
    const [, , peer, , , leader] = welcome as [number, number, string, string, number, [string, string] | null];
    if (leader?.[0] === peer) return;
    this.close();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return this.connect(leader === null ? url : leader[1]);
  }

  async submit(type: string, payload: unknown): Promise<Row> {
    if (this.#session === '') this.#session = String((await this.#ask(3))[2]);
    this.#sequence += 1;
    const rows = [[[type, null, null, [], null, null, null]], [[0, 1, packr.pack(payload), null]]];
    const answer = await this.#ask(5, this.#session, this.#sequence, this.#sequence, ...rows);
    return [answer[3], answer[4], answer[5]];
  }

  async result(task: Row): Promise<[state: unknown, result: unknown]> {
    const answer = await this.#ask(9, task);
    const [encoding, bytes] = (answer[4] ?? [0, undefined]) as [number, Uint8Array];
    return [answer[2], encoding === 1 ? packr.unpack(bytes) : undefined];
  }

  async work(worker: string, type: string, work: (payload: unknown) => unknown): Promise<void> {
    this.#work = work;
    await this.#ask(20, worker, `i${process.pid}`, [type], [], 10, '1', [], []);
  }

  close(): void {
    clearInterval(this.#beats);
    this.#socket?.close(1000);
  }

  #open(url: string): Promise<Row> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, 'taskraft.v1', { perMessageDeflate: false });
      this.#socket = socket;
      let beat = 0;
      socket.on('error', reject);
      socket.on('open', () => this.#send(1, 1, 'worker', 'default', 'from-the-page', '1'));
      socket.on('message', (bytes: Buffer) => {
        const frame = packr.unpack(bytes) as [number, ...unknown[]];
        if (frame[0] === WELCOME) {
          this.#term = Number(frame[4]);
          this.#beats = setInterval(() => this.#send(2, (beat += 1)), Number(frame[8]));
          resolve(frame);
        } else if (frame[0] === LEADER) this.#term = Math.max(this.#term, Number(frame[1]));
        else if (frame[0] === ASSIGN) this.#assigned(frame);
        else this.#waiting.get(Number(frame[1]))?.(frame);
      });
    });
  }

  #assigned([, term, rows]: Row): void {
    if (term !== this.#term) return;
    const completions = (rows as [number, number, number, number, number, Uint8Array][]).map(
      ([number, token, , , , payload]) => [number, token, 0, 1, packr.pack(this.#work?.(packr.unpack(payload))), null],
    );
    void this.#ask(22, completions);
  }

  /** Sends a request, and again after `error` with a code of those that are to be sent again. */
  async #ask(kind: number, ...fields: Row): Promise<Row> {
    const requestId = (this.#requestId += 1);
    for (;;) {
      const answer = await new Promise<Row>((resolve) => {
        this.#waiting.set(requestId, resolve);
        this.#send(kind, requestId, ...fields);
      });
      if (answer[0] !== ERROR) return answer;
      if (!RETRIED.has(String(answer[2]))) throw new Error(`${String(answer[2])}: ${String(answer[3])}`);
      await new Promise((resolve) => setTimeout(resolve, Number(answer[5] ?? 50)));
    }
  }

  #send(...frame: Row): void {
    this.#socket?.send(packr.pack(frame));
  }
}
