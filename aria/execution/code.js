// Runs a program that a model wrote, in this container and with nothing but the
// tools that it is given: each call of one is a question to ariad.
const host = globalThis[Symbol.for('aria.host')];
const mostLog = 8192;

function handles(names) {
  const tools = Object.create(null);
  for (const name of names) {
    const parts = name.split('.');
    let at = tools;
    for (const p of parts.slice(0, -1)) at = at[p] ??= Object.create(null);
    at[parts.at(-1)] = async (input = {}) => {
      try {
        return (await host.call('run.call', { class: name, method: '', args: [input] })).value;
      } catch (e) {
        throw Object.assign(new Error(`${name}: ${e?.message ?? e}`), { name: 'AriaError', code: e?.code ?? 'failed', hint: e?.hint ?? '' });
      }
    };
  }
  return tools;
}

function wrong(message, hint) {
  return Object.assign(new Error(message), { name: 'AriaError', code: 'invalid', hint, retryable: false });
}

// compile turns the TypeScript into a function, or says where it is wrong: lines
// count as the model wrote them.
function compile(source) {
  const before = 'globalThis.__program = async function (tools: any, console: any, input: any) {\n';
  let js;
  try {
    js = new Bun.Transpiler({ loader: 'ts' }).transformSync(before + source + '\n}');
  } catch (e) {
    const list = e?.errors ?? [e];
    const said = list.slice(0, 5).map((x) => {
      const p = x?.position;
      return p ? `line ${Math.max(1, p.line - 1)}:${p.column}: ${x.message}` : String(x?.message ?? x);
    });
    throw wrong(`the program does not compile: ${said.join('; ')}`, 'it is the body of an async function: no import and no export');
  }
  (0, eval)(js);
  const program = globalThis.__program;
  delete globalThis.__program;
  return program;
}

export async function run(source, names, input) {
  let log = '';
  const say = (...args) => {
    if (log.length < mostLog) log += args.map((a) => (typeof a === 'string' ? a : JSON.stringify(a) ?? String(a))).join(' ') + '\n';
  };
  const result = await compile(source)(handles(names), { log: say, info: say, warn: say, error: say, debug: say }, input);
  return { result: result === undefined ? null : result, ...(log && { log: log.slice(0, mostLog) }) };
}
