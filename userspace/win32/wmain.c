// SPDX-License-Identifier: MIT
/*
 * main() for programs that have wmain() instead: the linker takes this file for no other
 *
 * Lifetime: the arguments are there until the process ends. Locks: none.
 */
#include <locale.h>
#include <stdlib.h>
#include <wchar.h>

int wmain(int argc, wchar_t **argv, wchar_t **environment);

/* NULL where there is no memory, or what it says is no text. */
static wchar_t *widen(const char *text)
{
	size_t length = mbstowcs(NULL, text, 0);
	wchar_t *wide;

	if (length == (size_t)-1)
		return NULL;
	wide = calloc(length + 1, sizeof(*wide));
	if (wide)
		mbstowcs(wide, text, length);
	return wide;
}

static wchar_t **widen_all(char **texts)
{
	size_t i, n = 0;
	wchar_t **wide;

	while (texts[n])
		n++;
	wide = calloc(n + 1, sizeof(*wide));
	if (!wide)
		return NULL;
	for (i = 0; i < n; i++)
		wide[i] = widen(texts[i]);
	return wide;
}

int main(int argc, char **argv, char **environment)
{
	wchar_t **wide_argv, **wide_environment;

	setlocale(LC_CTYPE, "");
	wide_argv = widen_all(argv);
	wide_environment = widen_all(environment);
	return wide_argv && wide_environment ? wmain(argc, wide_argv, wide_environment) : 1;
}
