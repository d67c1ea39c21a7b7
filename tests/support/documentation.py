"""The list of the examples in Odyssey's documentation that the tests run; the tests are checked against it.

The documentation is https://documentation.api.odyssey.ml, and a page is named by its path. The client and
types pages are version 1.3, the others 1.0. The list has every section with Python code. Of the JavaScript
sections, it has those that show something which the Python SDK can do but no Python page shows (the rest say the
same in another language).

The tests have the code of a page in its blocking form: without ``async`` and ``await``, with requests instead of
aiohttp and httpx, `odyssey_proto` instead of ``odyssey``, and `tests.support.screen` for OpenCV's windows. Paths
and ids of the pages are replaced by existing ones, and ``sleep`` is shorter. `tests/examples/programs.md` has the
complete programs in their original form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GONE", "SECTIONS", "example_of", "examples"]

T = TypeVar("T", bound="Callable[..., object]")

GONE: Final = "gone in version 1.3: it uses the status 'running', or the status or error_message of a stream"

# page → section → the test that runs it, or the reason for having none
SECTIONS: Final[dict[str, dict[str, str]]] = {
    "sdk/python/client": {
        "Constructor": "test_live.test_the_constructor",
        "connect()": "test_live.test_connect",
        "connect_with_credentials()": "test_live.test_connect_with_credentials",
        "disconnect()": "test_live.test_disconnect",
        "start_stream()": "test_live.test_start_stream",
        "connect_to_stream()": "test_broadcasts.test_connect_to_stream",
        "connect_to_stream(): signature": "test_broadcasts.test_connect_to_stream_has_the_documented_signature",
        "interact()": "test_live.test_interact",
        "end_stream()": "test_live.test_end_stream",
        "is_connected": "test_live.test_the_properties",
        "current_status": "test_live.test_the_properties",
        "current_session_id": "test_live.test_the_properties",
        "create_client_credentials()": "test_credentials.test_create_client_credentials",
        "start_stream(): image-to-video": "test_images.test_start_stream_from_an_image",
        "get_recording()": "test_recordings.test_get_recording",
        "list_stream_recordings()": "test_recordings.test_list_stream_recordings",
        "simulate()": "test_simulations.test_simulate",
        "get_simulate_status()": "test_simulations.test_get_simulate_status",
        "list_simulations()": "test_simulations.test_list_simulations",
        "cancel_simulation()": "test_simulations.test_cancel_simulation",
    },
    "sdk/python/types": {
        "VideoFrame": "test_types.test_a_frame_has_the_documented_properties",
        "VideoFrame: usage": "test_applications.test_what_can_be_done_with_a_frame",
        "BroadcastInfo": "test_types.test_a_type_has_the_documented_fields",
        "SpectatorConnection": "test_broadcasts.test_a_spectator_connection",
        "ConnectionStatus": "test_types.test_the_statuses_are_the_documented_ones",
        "ClientConfig": "test_types.test_a_configuration_has_the_documented_fields",
        "AdvancedConfig": "test_types.test_a_configuration_has_the_documented_fields",
        "OdysseyError": "test_types.test_an_exception_has_the_documented_base",
        "OdysseyAuthError": "test_types.test_an_exception_has_the_documented_base",
        "OdysseyConnectionError": "test_types.test_an_exception_has_the_documented_base",
        "OdysseyStreamError": "test_types.test_an_exception_has_the_documented_base",
        "Fatal vs Non-Fatal Errors": "test_failures.test_fatal_and_non_fatal_errors",
        "Common Errors": "test_failures.test_common_errors",
        "Environment Variables": "test_live.test_the_environment_variables",
        "Recording": "test_types.test_a_type_has_the_documented_fields",
        "StreamRecordingInfo": "test_types.test_a_type_has_the_documented_fields",
        "StreamRecordingsList": "test_types.test_a_type_has_the_documented_fields",
        "ScriptEntry": "test_types.test_a_script_entry_is_typed_as_documented",
        "SimulationStream": "test_types.test_a_type_has_the_documented_fields",
        "SimulationJobInfo": "test_types.test_a_type_has_the_documented_fields",
        "SimulationJobDetail": "test_types.test_a_type_has_the_documented_fields",
        "SimulationJobsList": "test_types.test_a_type_has_the_documented_fields",
        "StreamerCapabilities": "test_types.test_a_type_has_the_documented_fields",
        "ClientCredentials": "test_types.test_a_type_has_the_documented_fields",
        "ClientCredentials: serialization": "test_credentials.test_serialization",
    },
    "sdk/python/introduction": {
        "Quick Start": "test_live.test_the_quick_start",
        "Event Handlers": "test_live.test_the_event_handlers",
    },
    "api-quick-start": {
        "Python: Text-to-Video": "test_live.test_the_quick_start",
        "Python: Image-to-Video": "test_images.test_the_quick_start",
    },
    "sdk/python/examples": {
        "Complete Application with OpenCV": "test_applications.test_the_complete_application_with_opencv",
        "Headless Processing": "test_applications.test_headless_processing",
        "Status Monitoring": "test_applications.test_status_monitoring",
        "Error Handling Pattern": "test_applications.test_the_error_handling_pattern",
        "Using with PIL": "test_applications.test_using_with_pil",
        "Batch Processing Multiple Prompts": "test_applications.test_batch_processing_multiple_prompts",
        "Recording Workflow": "test_recordings.test_the_recording_workflow",
        "Image-to-Video": "test_images.test_image_to_video",
        "Image-to-Video: PIL Images, bytes, or NumPy arrays": "test_images.test_pil_images_bytes_or_numpy_arrays",
        "Working with the Simulate API": "test_simulations.test_working_with_the_simulate_api",
    },
    "sdk/python/recordings": {
        "Capturing the Stream ID": "test_recordings.test_capturing_the_stream_id",
        "Retrieving a Recording": "test_recordings.test_retrieving_a_recording",
        "Listing All Recordings": "test_recordings.test_listing_all_recordings",
        "Complete Workflow Example": "test_recordings.test_the_complete_workflow",
        "Downloading Recordings": "test_recordings.test_downloading_recordings",
    },
    "sdk/python/simulations": {
        "Script Format": "test_types.test_a_script_entry_is_typed_as_documented",
        "Example Script": "test_simulations.test_the_example_script",
        "1. Create a Simulation": "test_simulations.test_create_a_simulation",
        "2. Poll for Completion": "test_simulations.test_poll_for_completion_and_retrieve_recordings",
        "3. Retrieve Recordings": "test_simulations.test_poll_for_completion_and_retrieve_recordings",
        "Image-to-Video with the Simulate API": "test_images.test_image_to_video_with_the_simulate_api",
        "List Your Simulation Jobs": "test_simulations.test_list_your_simulation_jobs",
        "Cancel a Simulation": "test_simulations.test_cancel_a_simulation",
        "Complete Example": GONE,
        "Error Handling": GONE,
    },
    "sdk/javascript/odyssey-class": {
        "connect(): Await Style": "test_live.test_the_style_that_waits",
        "connect(): Callback Style": "test_live.test_the_style_that_is_called",
    },
    "sdk/javascript/examples": {
        "Error Handling Pattern": "test_applications.test_a_stream_is_restarted_in_the_handler_of_its_error",
    },
    "sdk/javascript/recordings": {
        "React Example": "test_recordings.test_a_viewer_of_recordings",
    },
    "sdk/javascript/types": {
        "OdysseyEventHandlers": "test_types.test_there_are_the_documented_handlers",
        "Example: Broadcast Streamer": "test_broadcasts.test_a_broadcast_streamer",
        "Example: Broadcast Spectator": "test_broadcasts.test_a_broadcast_spectator",
        "Common Error Messages": "test_failures.test_common_error_messages",
        "ListStreamRecordingsOptions": "test_recordings.test_how_many_are_listed_when_nothing_is_said",
        "SimulateOptions: scripts": "test_simulations.test_several_scripts_in_a_single_job",
        "SimulateOptions: script_url": "test_simulations.test_a_script_behind_an_address",
        "SimulateOptions: bypassPromptExpansion": "test_simulations.test_prompts_taken_as_they_are",
        "ListSimulationsOptions": "test_simulations.test_which_simulations_are_listed",
        "StartStreamOptions: bypassPromptExpansion": "test_images.test_a_prompt_taken_as_it_is_beside_an_image",
    },
}

examples: Final[dict[str, set[tuple[str, str]]]] = {}
"""Test → the pages and sections that it declares."""


def example_of(page: str, *sections: str) -> Callable[[T], T]:
    """Declare the page and the sections whose code a test runs."""

    def mark(test: T) -> T:
        name = f"{test.__module__.rpartition('.')[2]}.{test.__name__}"
        examples.setdefault(name, set()).update((page, section) for section in sections)
        return test

    return mark
