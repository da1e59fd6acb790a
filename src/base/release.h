#pragma once

// Release: empties a container and gives its memory back. Assigning {} does not: it assigns an
// empty list of elements, and what was reserved stays.

namespace terrace::base {

template <typename Container>
void Release(Container* container) {
  Container().swap(*container);
}

}  // namespace terrace::base
