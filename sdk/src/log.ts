import { host, type Level } from './host';

function write(level: Level, text: string, fields?: object): void {
  const h = host();
  if (h) h.log(level, String(text), fields);
  else console[level](text, ...(fields ? [fields] : []));
}

export const log = {
  debug: (text: string, fields?: object) => write('debug', text, fields),
  info: (text: string, fields?: object) => write('info', text, fields),
  warn: (text: string, fields?: object) => write('warn', text, fields),
  error: (text: string, fields?: object) => write('error', text, fields),
};
