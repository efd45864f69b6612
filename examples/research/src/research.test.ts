import { memoryHost } from '@aria/sdk/testing';
import { expect, test } from 'bun:test';
import { Library } from './library';
import { common, Study } from './study';

memoryHost();

test('the library finds by topic', async () => {
  const library = new Library();
  await library.add('tides-1', 'The moon pulls the water.');
  await library.add('tides-2', 'The sun pulls the water less than the moon.');
  await library.add('wind-1', 'Warm air rises.');
  expect(await library.on('tides')).toEqual(['tides-1', 'tides-2']);
  expect(library.read('tides-9')).rejects.toThrow('there is no source tides-9');
});

test('what most sources say', async () => {
  const notes = ['The moon pulls the water.', 'The sun pulls the water less than the moon.'];
  expect(common(notes)).toEqual(['moon', 'pulls', 'water']);
  expect(await new Study().reduce('tides', notes)).toMatchObject({ topic: 'tides', sources: 2, words: ['moon', 'pulls', 'water'] });
});
