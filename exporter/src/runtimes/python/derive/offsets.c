/* SPDX-License-Identifier: Apache-2.0 */
/* Prints a row of layout.rs for the CPython whose headers this is compiled with; see derive.sh. */
#define Py_BUILD_CORE 1
#include <Python.h>
#include <internal/pycore_context.h>
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>
#if PY_VERSION_HEX >= 0x030d0000
#include <internal/pycore_tstate.h>
#endif
#if PY_VERSION_HEX >= 0x030e0000
#include <internal/pycore_interpframe_structs.h>
#elif PY_VERSION_HEX >= 0x030b0000
#include <internal/pycore_frame.h>
#else
#include <frameobject.h>
#endif
#include <stddef.h>
#include <stdio.h>

#if PY_VERSION_HEX < 0x030b0000
#define THREADS_HEAD tstate_head
#else
#define THREADS_HEAD threads.head
#endif

#if PY_VERSION_HEX < 0x030b0000
#define FRAME offsetof(PyThreadState, frame)
#define FRAME_BEHIND -1
#define FRAME_CODE offsetof(PyFrameObject, f_code)
#define FRAME_PREVIOUS offsetof(PyFrameObject, f_back)
#else
#if PY_VERSION_HEX < 0x030d0000
#define FRAME offsetof(PyThreadState, cframe)
#define FRAME_BEHIND (int)offsetof(_PyCFrame, current_frame)
#define FRAME_CODE offsetof(_PyInterpreterFrame, f_code)
#else
#define FRAME offsetof(PyThreadState, current_frame)
#define FRAME_BEHIND -1
#define FRAME_CODE offsetof(_PyInterpreterFrame, f_executable)
#endif
#define FRAME_PREVIOUS offsetof(_PyInterpreterFrame, previous)
#endif

/* kernel/bpf/python.h reads contexts by these. */
_Static_assert(offsetof(PyObject, ob_type) == 8, "python_object.type");
_Static_assert(offsetof(struct _pycontextobject, ctx_prev) == 16, "python_context.previous");
_Static_assert(offsetof(struct _pycontextobject, ctx_entered) == 40, "python_context.entered");
_Static_assert(sizeof(((struct _pycontextobject *)0)->ctx_entered) == 4, "python_context.entered");
/* memory.rs walks by this. */
_Static_assert(offsetof(PyThreadState, prev) == 0, "PREV");
/* interpreter.rs finds a type's functions by these. */
_Static_assert(offsetof(PyTypeObject, tp_methods) == 232, "TP_METHODS");
_Static_assert(offsetof(PyTypeObject, tp_new) == 312, "TP_NEW");
_Static_assert(offsetof(PyMethodDef, ml_name) == 0, "ML_NAME");
_Static_assert(offsetof(PyMethodDef, ml_meth) == 8, "ML_METH");
_Static_assert(sizeof(PyMethodDef) == 32, "METHOD");
#ifdef Py_GIL_DISABLED
#error "free-threaded builds are refused"
#endif

int main(void)
{
	printf("%s: minor: %d, interpreters_head: %zu, interpreter_next: %zu, threads_head: %zu, "
	       "next: %zu, thread_id: %zu, context: %zu, ",
	       PY_VERSION, PY_MINOR_VERSION, offsetof(_PyRuntimeState, interpreters.head),
	       offsetof(PyInterpreterState, next), offsetof(PyInterpreterState, THREADS_HEAD),
	       offsetof(PyThreadState, next), offsetof(PyThreadState, thread_id),
	       offsetof(PyThreadState, context));
	printf("frame: %zu, frame_behind: %d, frame_code: %zu, frame_previous: %zu, ", FRAME,
	       FRAME_BEHIND, FRAME_CODE, FRAME_PREVIOUS);
#if PY_VERSION_HEX >= 0x030d0000
#define AT(field) offsetof(_Py_DebugOffsets, field)
	printf("datastack_chunk: %zu, debug: { free_threaded: %zu, interpreters_head: %zu, "
	       "interpreter_next: %zu, threads_head: %zu, next: %zu, thread_id: %zu, "
	       "datastack_chunk: %zu }\n",
	       offsetof(PyThreadState, datastack_chunk), AT(free_threaded),
	       AT(runtime_state.interpreters_head), AT(interpreter_state.next),
	       AT(interpreter_state.threads_head), AT(thread_state.next),
	       AT(thread_state.thread_id), AT(thread_state.datastack_chunk));
#elif PY_VERSION_HEX >= 0x030b0000
	printf("Py_Version\n");
#else
	printf("runtime_size: %zu\n", sizeof(_PyRuntimeState));
#endif
	return 0;
}
