/** Says where something is wrong; whoever reads goes on with the next line. */
export class CrontabMistake extends Error {
  override readonly name = 'CrontabMistake';
  /** From 1. */
  readonly column: number;

  constructor(message: string, column: number) {
    super(message);
    this.column = column;
  }
}
