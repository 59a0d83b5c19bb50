
-- What frees memory or barely takes any works when memory is short, too.
redis.register_function{function_name = 'fanfare_publish', callback = fanfare_publish}
redis.register_function{function_name = 'fanfare_read', callback = fanfare_read, flags = {'allow-oom'}}
redis.register_function{function_name = 'fanfare_remove', callback = fanfare_remove, flags = {'allow-oom'}}
redis.register_function{function_name = 'fanfare_renew', callback = fanfare_renew, flags = {'allow-oom'}}
redis.register_function{
  function_name = 'fanfare_library',
  callback = fanfare_library,
  flags = {'no-writes', 'allow-oom'},
}
redis.register_function{function_name = 'fanfare_enter', callback = fanfare_enter}
redis.register_function{function_name = 'fanfare_exit', callback = fanfare_exit, flags = {'allow-oom'}}
redis.register_function{function_name = 'fanfare_count', callback = fanfare_count, flags = {'allow-oom'}}
redis.register_function{
  function_name = 'fanfare_members',
  callback = fanfare_members,
  flags = {'no-writes', 'allow-oom'},
}
