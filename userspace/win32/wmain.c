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

/* A NULL where there is no memory, or what it says is no text. */
static wchar_t **widen(char **texts)
{
	size_t i, n = 0;
	wchar_t **wide;

	while (texts[n])
		n++;
	wide = calloc(n + 1, sizeof(*wide));
	for (i = 0; wide && i < n; i++) {
		size_t length = mbstowcs(NULL, texts[i], 0);

		if (length == (size_t)-1)
			continue;
		wide[i] = calloc(length + 1, sizeof(**wide));
		if (wide[i])
			mbstowcs(wide[i], texts[i], length);
	}
	return wide;
}

int main(int argc, char **argv, char **environment)
{
	wchar_t **wide_argv, **wide_environment;

	setlocale(LC_CTYPE, "");
	wide_argv = widen(argv);
	wide_environment = widen(environment);
	return wide_argv && wide_environment ? wmain(argc, wide_argv, wide_environment) : 1;
}
