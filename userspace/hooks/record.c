// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is kept on disk: for each hook the ID that it has handled
 *
 * Lifetime: a record is written when its hook has succeeded, and goes when the hook is gone,
 * so that one that is linked again begins with the generation it finds. It is replaced as a
 * whole: written beside, synced, renamed, and the directory synced.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hooks.h"

static int records = -1;		/* the directory */

int record_open(const char *state)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/hooks", state);
	if (mkdir(path, 0755) && errno != EEXIST)
		return -1;
	records = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return records < 0 ? -1 : 0;
}

static bool is_id(const char *text)
{
	struct vm_gencounter id;

	return !vmgen_parse(text, &id);
}

enum record record_get(const char *name, char *id, size_t size)
{
	int fd = openat(records, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? RECORD_NONE : RECORD_BAD;
	n = read(fd, id, size - 1);
	close(fd);
	if (n <= 0)
		return RECORD_BAD;
	id[n] = '\0';
	id[strcspn(id, "\n")] = '\0';
	return is_id(id) ? RECORD_ID : RECORD_BAD;
}

static int write_line(int fd, const char *line, bool durable)
{
	if (dprintf(fd, "%s\n", line) < 0)
		return -1;
	return durable ? fsync(fd) : 0;
}

int replace_file(int dir, const char *path, const char *line, bool durable)
{
	char new[4096];
	int fd, err, ret;

	snprintf(new, sizeof(new), "%s.new", path);
	fd = openat(dir, new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	ret = write_line(fd, line, durable);
	err = errno;
	if (close(fd) && !ret)
		ret = -1, err = errno;
	if (ret) {
		unlinkat(dir, new, 0);
		errno = err;
		return -1;
	}
	return renameat(dir, new, dir, path);
}

int record_set(const char *name, const char *id)
{
	return replace_file(records, name, id, true) ?: fsync(records);
}

void record_forget(bool (*is_there)(const char *name))
{
	int fd = dup(records);
	struct dirent *entry;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return;
	rewinddir(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !is_there(entry->d_name))
			unlinkat(records, entry->d_name, 0);
	closedir(dir);
}
