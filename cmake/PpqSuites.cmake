# Read by ctest with `program` and `room` set: adds one test for each suite of a GoogleTest program. One for each of its tests would start
# LibTorch as often, which takes longer than most tests do.
set(list_file "${program}.suites")
if(NOT EXISTS "${list_file}" OR "${program}" IS_NEWER_THAN "${list_file}")
  execute_process(COMMAND "${program}" --gtest_list_tests OUTPUT_VARIABLE listing RESULT_VARIABLE failed)
  if(failed)
    set(listing "")
  endif()
  file(WRITE "${list_file}" "\n${listing}")
endif()
file(READ "${list_file}" listing)
# Lines that are not indented: "Hexagon/UnlikeParts.", perhaps with a remark.
string(REGEX MATCHALL "\n[A-Za-z0-9_/]+\\.[ \n]" suites "${listing}")
if(NOT suites)
  # Not built, or it does not start: run, it says so.
  file(REMOVE "${list_file}")
  add_test("${room}" "${program}")
endif()
foreach(suite IN LISTS suites)
  string(REGEX REPLACE "[ \n.]" "" suite "${suite}")
  add_test("${room}.${suite}" "${program}" "--gtest_filter=${suite}.*")
  set_tests_properties("${room}.${suite}" PROPERTIES TIMEOUT 1200 COST "${cost}" SKIP_RETURN_CODE 77)
endforeach()
