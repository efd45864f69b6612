// Runs in arc's cell, after the project's modules: says what schemas say. `list`,
// `write` and `tools` stand above, put there by reflect.go.

const found = list.map(({ unit, side, of }) => {
  try {
    return { unit, side, ...told(of(), side) };
  } catch (e) {
    return { unit, side, error: String(e?.message ?? e) };
  }
});
write(JSON.stringify({ bun: Bun.version, schemas: found }));
process.exit(0); // whatever timers a module has left

function told(f, side) {
  const value = f?.[Symbol.for('aria.schemas')]?.[side];
  const std = value?.['~standard'];
  if (std?.version !== 1 || typeof std.validate !== 'function') return { error: 'it is not a Standard Schema value' };
  const vendor = String(std.vendor);
  for (const [converter, convert] of converters(value, std, vendor, side)) {
    if (convert) return { vendor, converter, schema: convert() };
  }
  return { vendor, error: `${vendor} offers no JSON Schema of it`, hint: hints[vendor] };
}

// The library's own converter, in the order of preference: that of the standard,
// that of the library, that of a package beside it.
function converters(value, std, vendor, side) {
  const target = 'draft-2020-12';
  const json = std.jsonSchema?.[side];
  return [
    ['standard', json && (() => json.call(std.jsonSchema, { target }))],
    ['zod', vendor === 'zod' && value._zod && tools.zod && (() => tools.zod.toJSONSchema(value, { io: side, target }))],
    ['zod-to-json-schema', vendor === 'zod' && tools.zod3 && (() => tools.zod3.zodToJsonSchema(value, { target: 'jsonSchema2019-09', pipeStrategy: side, effectStrategy: side === 'input' ? 'input' : 'any' }))],
    ['@valibot/to-json-schema', vendor === 'valibot' && tools.valibot && (() => tools.valibot.toJsonSchema(value, { typeMode: side, errorMode: 'throw' }))],
    ['arktype', vendor === 'arktype' && value.toJsonSchema && (() => (side === 'input' ? value.in : value.out).toJsonSchema())],
  ];
}
