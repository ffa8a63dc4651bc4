/** Files that declare things: YAML or JSON with any number of documents, each value knowing where it stands. */
import { isDeepStrictEqual } from 'node:util';
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
  type YAMLParseError,
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
  const mistakes: Mistake[] = [];
  for (const { errors } of all) {
    for (const error of errors) {
      const mistake = mistakeOf(error, text, at);
      // Nearly each character of a pattern without its quotes is an error of its own.
      if (!isDeepStrictEqual(mistake, mistakes.at(-1))) mistakes.push(mistake);
    }
  }
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

/** Codes of what is said of a line whose value begins with a character that has another meaning in YAML. */
const OF_NO_QUOTES: readonly string[] = ['BAD_ALIAS', 'BAD_SCALAR_START', 'UNEXPECTED_TOKEN'];
/** As far as a `*` or `@` that begins a value, in a line. */
const PATTERN_BEGIN = /^[^#"']*?(?:^|[:,[{-])\s*(?=[*@])/;

/** What an error means. Of a cron pattern without its quotes the parser does not say what to do. */
function mistakeOf({ code, pos, message }: YAMLParseError, text: string, at: (offset: number) => string): Mistake {
  const [offset] = pos;
  const lineFrom = text.lastIndexOf('\n', offset - 1) + 1;
  const begin = PATTERN_BEGIN.exec(text.slice(lineFrom).split('\n', 1)[0] ?? '');
  const patternFrom = lineFrom + (begin?.[0].length ?? 0);
  if (begin === null || patternFrom > offset || !OF_NO_QUOTES.includes(code)) {
    return { at: at(offset), message: sentence(message) };
  }
  return { at: at(patternFrom), message: 'A text that begins with * or @ stands in quotes: cron: "*/5 * * * *".' };
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
