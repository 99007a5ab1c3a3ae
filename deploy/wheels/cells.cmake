# Included by llama-cpp-python's project() when a wheel is built: a step attends over 32 cells at least, and in multiples of 32.
# llama.cpp takes 256, which keeps a GPU's graph the same for longer; on a processor the unused ones cost a short chat's step 8 %.
set(source "${CMAKE_CURRENT_SOURCE_DIR}/vendor/llama.cpp/src/llama-kv-cache.cpp")
file(READ "${source}" text)
string(REPLACE "std::max(n_pad, 256u)" "std::max(n_pad, 32u)" fewer "${text}")
if(fewer MATCHES "std::max\\(n_pad, 32u\\)")
  file(WRITE "${source}" "${fewer}")
else()
  message(FATAL_ERROR "${source} says otherwise than expected how many cells are attended over: look at deploy/wheels/cells.cmake again")
endif()
