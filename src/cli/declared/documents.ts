/** Files that declare things: YAML or JSON with any number of documents, each value knowing where it stands. */
import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  Scalar,
} from 'yaml';

/** A mistake, by where it stands: `FILE:LINE:COLUMN`. */
export interface Mistake {
  readonly at: string;
  readonly message: string;
}

/** One thing that a file declares. */
export interface DeclaredDocument {
  readonly value: unknown;
  /** Where it begins. */
  readonly at: string;
  /** Where the value stands to which `pointer` (RFC 6901) leads, or as much of the way as there is; `column` is within its text, from 1. */
  where(pointer: string, column?: number): string;
  /** Where the name of the field stands to which `pointer` leads. */
  whereName(pointer: string): string;
}

/** What a file says. */
export interface DeclaredFile {
  readonly documents: readonly DeclaredDocument[];
  readonly mistakes: readonly Mistake[];
}

/** More would not be written by anybody. */
const DOCUMENTS_MAX = 20_000;

/**
 * Reads `text`, which came from `file`. Documents are those of YAML, divided by `---`; a list stands for its members, as JSON has no
 * other way to say several. With a mistake in its form a file has no documents.
 */
export function readDocuments(file: string, text: string): DeclaredFile {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const all: readonly Document.Parsed[] = 'empty' in parsed ? [] : parsed;
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${Math.max(1, line)}:${Math.max(1, col)}`;
  };
  const mistakes = all.flatMap(({ errors }) =>
    errors.map((error) => ({ at: at(error.pos[0]), message: sentence(error.message) })),
  );
  if (mistakes.length > 0) return { documents: [], mistakes };
  try {
    const documents = all.flatMap((document) => documentsOf(document, at));
    if (documents.length > DOCUMENTS_MAX) {
      return { documents: [], mistakes: [{ at: file, message: `It has more than ${DOCUMENTS_MAX} documents.` }] };
    }
    return { documents, mistakes: [] };
  } catch (error) {
    // Names that stand for other values may stand for too many.
    return { documents: [], mistakes: [{ at: file, message: error instanceof Error ? error.message : String(error) }] };
  }
}

function documentsOf(document: Document.Parsed, at: (offset: number) => string): DeclaredDocument[] {
  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null)) return [];
  if (!isSeq(contents)) return [declared(document, [], document.toJS(), at)];
  const values = document.toJS() as unknown[];
  return values.map((value, index) => declared(document, [index], value, at));
}

function declared(
  document: Document.Parsed,
  base: readonly (string | number)[],
  value: unknown,
  at: (offset: number) => string,
): DeclaredDocument {
  const where = (pointer: string, column?: number): string => {
    const path = [...base, ...stepsOf(pointer)];
    for (; ; path.pop()) {
      const found: unknown = path.length === 0 ? document.contents : document.getIn(path, true);
      const offset = isScalar(found) || isCollection(found) || isAlias(found) ? found.range?.[0] : undefined;
      if (offset !== undefined) {
        const isWhole = path.length === base.length + stepsOf(pointer).length;
        return at(offset + (isWhole ? within(found, column) : 0));
      }
      if (path.length === 0) return at(document.range[0]);
    }
  };
  const whereName = (pointer: string): string => {
    const steps = stepsOf(pointer);
    const name = steps.pop();
    const path = [...base, ...steps];
    const map: unknown = path.length === 0 ? document.contents : document.getIn(path, true);
    const pair = isMap(map) ? map.items.find(({ key }) => isScalar(key) && String(key.value) === name) : undefined;
    const offset = isScalar(pair?.key) ? pair.key.range?.[0] : undefined;
    return offset === undefined ? where(pointer) : at(offset);
  };
  return { value, at: where(''), where, whereName };
}

/** How far behind the begin of a text its `column` stands: a text in quotes begins behind them. */
function within(found: unknown, column: number | undefined): number {
  if (column === undefined || !isScalar(found)) return 0;
  const isQuoted = found.type === Scalar.QUOTE_DOUBLE || found.type === Scalar.QUOTE_SINGLE;
  // The lines of a block are not where its characters are.
  if (!isQuoted && found.type !== Scalar.PLAIN) return 0;
  return column - 1 + (isQuoted ? 1 : 0);
}

function stepsOf(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function sentence(message: string): string {
  const text = message.trim();
  return text.endsWith('.') ? text : `${text}.`;
}
