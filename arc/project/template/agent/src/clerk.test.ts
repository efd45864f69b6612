// The tools of an agent are plain classes: "arc test" runs this without a daemon.
import { expect, test } from 'bun:test';
import { memoryHost } from '@aria/sdk/testing';
import { Notes } from './clerk';

test('keeps and finds', async () => {
  memoryHost();
  const notes = new Notes();
  await notes.keep('milk', 'two litres');
  expect(await notes.titles()).toEqual(['milk']);
  expect(await notes.read('milk')).toBe('two litres');
});
