import { type Module, type Problem, partOf, walk } from './source.ts';

const FILE_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 70;

/** Files and functions that grew too large to be read in one go. Tests may tell long stories in one function. */
export function checkSizes(modules: readonly Module[]): Problem[] {
  return modules.flatMap((module) => [...checkFile(module), ...checkFunctions(module)]);
}

function checkFile({ path, text }: Module): Problem[] {
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  if (lines <= FILE_LINES_MAX) return [];
  const message = `${lines} lines, over ${FILE_LINES_MAX}: a file has one subject, find the second one and give it a file`;
  return [{ rule: 'sizes', path, line: lines, message }];
}

function checkFunctions(module: Module): Problem[] {
  if (partOf(module.path) === 'test') return [];
  const problems: Problem[] = [];
  walk(module.program, (element) => {
    const isFunction =
      element.type === 'FunctionDeclaration' ||
      element.type === 'FunctionExpression' ||
      element.type === 'ArrowFunctionExpression';
    if (!isFunction) return;
    const line = module.lineOf(element.start);
    const lines = module.lineOf(element.end - 1) - line + 1;
    if (lines <= FUNCTION_LINES_MAX) return;
    const message = `a function of ${lines} lines, over ${FUNCTION_LINES_MAX}: pull decisions up and loops down into named helpers`;
    problems.push({ rule: 'sizes', path: module.path, line, message });
  });
  return problems;
}
